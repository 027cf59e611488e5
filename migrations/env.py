"""Alembic's door: runs the migrations on the database that the caller connected to."""

from alembic import context

from app.db import make_engine
from app.models import Base

target_metadata = Base.metadata


def _run(connection) -> None:
    context.configure(connection=connection, target_metadata=target_metadata)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    from app.config import settings

    with make_engine(settings().database_url).connect() as own:
        _run(own)
