"""What watches us: alive, ready with reasons, and numbers."""

import time
from functools import lru_cache

import redis
from flask import Blueprint, Response, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import queues
from app.db import sessions
from app.services import watch
from app.web.guards import Guard, guarded

blueprint = Blueprint("health", __name__)
_CACHE_SECONDS = 5.0


@blueprint.get("/healthz")
@guarded(Guard.PUBLIC)
def alive() -> ResponseReturnValue:
    """Say that the process is alive; asks nothing else."""
    return jsonify(status="alive")


@blueprint.get("/readyz")
@guarded(Guard.PUBLIC)
def ready() -> ResponseReturnValue:
    """Say whether mails can go out, and why not: 503 without the database, else 200 with what is degraded."""
    reasons = []
    try:
        with sessions()() as session:
            session.execute(text("SELECT 1"))
            reasons += watch.complaints(session)
    except SQLAlchemyError:
        return jsonify(status="not ready", reasons=["The database does not answer."]), 503
    try:
        _redis().ping()
    except redis.RedisError:
        reasons.append("Redis does not answer: everything works, a second later.")
    return jsonify(status="degraded" if reasons else "ready", reasons=reasons)


@blueprint.get("/metrics")
@guarded(Guard.PUBLIC)
def metrics() -> ResponseReturnValue:
    """Return this process's counters, and what waits, from SQL."""
    return Response(generate_latest() + _waiting(int(time.monotonic() / _CACHE_SECONDS)), mimetype=CONTENT_TYPE_LATEST)


@lru_cache(maxsize=1)
def _waiting(_tick: int) -> bytes:
    lines = ["# TYPE cartwheel_waiting gauge", "# TYPE cartwheel_waiting_oldest_seconds gauge"]
    with sessions()() as session:
        for row in watch.waiting(session):
            lines.append(f'cartwheel_waiting{{kind="{row.kind}"}} {row.due}')
            lines.append(f'cartwheel_waiting_oldest_seconds{{kind="{row.kind}"}} {row.oldest_seconds:.1f}')
    return ("\n".join(lines) + "\n").encode()


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return queues.connect(socket_timeout=0.5)
