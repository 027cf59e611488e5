"""Bring the database to the newest schema and the shops to the flows of this release, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.services import install

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_LOCK = 7_262_100  # any number: two processes that migrate at once wait for each other


def migrate(engine: Engine, *, to: str = "head") -> None:
    """Run the migrations up to a revision; at the newest one, every shop gets the flows that it does not have, off."""
    with engine.begin() as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        if to == "head":
            with Session(connection) as session:
                install.add_missing_flows(session)
                session.flush()


def is_current(engine: Engine) -> bool:
    """Say whether the database stands at the newest migration."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest()


def newest() -> str | None:
    """Return the newest revision that this release knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
