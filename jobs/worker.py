"""The worker process: everything imported before the first job, one queue, a fork for each ring (D4)."""

import gc
import importlib
import os
import time

import structlog
from rq import Queue, Worker
from rq.executions import Execution
from rq.job import Job

from app import log, queues
from app.config import settings
from app.queues import DRAINS, QueueName
from app.services import render

MAINTENANCE_SECONDS = 60
# What the adapters import inside their functions, for the web process's sake.
_LOADED_LATE = (
    "integrations.shopify.listing",
    "integrations.shopify.normalise",
    "integrations.woocommerce.normalise",
    "requests",
    "woocommerce",
)


class DrainWorker(Worker):
    """Runs our drains and nothing else: whoever can write to Redis names functions, but chooses among these."""

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Refuse a job that is not a drain."""
        if job.func_name not in DRAINS.values():
            structlog.get_logger().error("worker.refused", function=job.func_name)
            job.delete()
            return True
        return bool(super().perform_job(job, queue, execution))


def run(name: QueueName) -> int:
    """Work on one queue until told to stop; return the exit code.

    One queue for each process: a worker on two of them loses jobs when it is killed (it pops without a safety copy).
    """
    os.environ["TZ"] = "UTC"
    time.tzset()
    log.configure(settings().log_format)
    _import_everything()
    connection = queues.connect()
    queue = Queue(name, connection=connection, serializer="json")
    worker = DrainWorker([queue], connection=connection, serializer="json", maintenance_interval=MAINTENANCE_SECONDS)
    gc.freeze()  # what is loaded by now is shared by all forks, not copied when the collector touches it
    log.get_logger().info("worker.started", queue=name.value)
    worker.work(logging_level="WARNING")
    return 0


def _import_everything() -> None:
    """Load now what a job would load after every fork."""
    for name in (*{path.rpartition(".")[0] for path in DRAINS.values()}, *_LOADED_LATE):
        importlib.import_module(name)
    render.warm()
