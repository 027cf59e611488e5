"""Claims among few and among very many scheduled steps, and the scheduler's look when nothing is due.

`python -m tests.bench.claim`. --large takes 5 million rows instead of one million, and 2 GB of the temporary folder's disk.
"""

import os
import time
from datetime import timedelta
from statistics import median

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from tests.bench import rig

FEW = 10_000
BATCH = 500
CLAIMS_PER_ROUND = 3
SHOPS = 50
LOOKS = 300
# Foreign keys are not checked while it is filled; a claim does not look at enrollments.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO scheduled_steps (shop_id, enrollment_id, step_no, due_at)
SELECT 1 + n % :shops, n, 0,
       CASE WHEN n <= :due THEN now() - n * interval '1 second' ELSE now() + (1 + random() * 720) * interval '1 hour' END
  FROM generate_series(1, :rows) AS n;
"""


def main() -> None:
    """Measure and report."""
    given = rig.arguments("Claims among few and many", (("--large",), {"action": "store_true"}))
    many = 5_000_000 if given.large else 1_000_000
    load = os.getloadavg()
    with rig.rig() as ground:
        houses = {rows: _house(ground, rows, given.rounds) for rows in (FEW, many)}
        claims = {rows: _claims(house, given.rounds) for rows, house in houses.items()}
        looks = {rows: _looks(house) for rows, house in houses.items()}
        for house in houses.values():
            house.kw["bind"].dispose()
    lines = [rig.Line(f"claim {BATCH} due steps of {rows:,}", claims[rows], "ms") for rows in houses]
    lines.append(rig.at_most(f"the same, {many:,} / {FEW:,} rows", claims[many] / claims[FEW], 3))
    lines += [rig.at_most(f"nothing due, a look at all tables, {rows:,} steps", looks[rows], 1, "ms") for rows in houses]
    rig.report("claim", "Claims and idle looks", lines, load, given.out)


def _house(ground: rig.Rig, rows: int, rounds: int) -> sessionmaker[Session]:
    """Make a database with so many scheduled steps, of which those are due that will be claimed."""
    from app import db, schema

    with db.make_engine(ground.url.replace("/bench?", "/postgres?")).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text(f"CREATE DATABASE bench_{rows}"))
    engine = db.make_engine(ground.url.replace("/bench?", f"/bench_{rows}?"))
    schema.migrate(engine)
    due = BATCH * (CLAIMS_PER_ROUND * rounds + 1)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in FILL.strip().rstrip(";").split(";"):
            connection.execute(text(statement), {"rows": rows, "due": due, "shops": SHOPS} if ":rows" in statement else {})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE scheduled_steps"))
    rig.say(f"{rows:,} steps are there")
    return sessionmaker(engine, expire_on_commit=False)


def _claims(house: sessionmaker[Session], rounds: int) -> float:
    """Return the milliseconds of a claim with its commit."""
    from app import clock
    from app.models import ScheduledStep, claims

    took = []
    for _ in range(CLAIMS_PER_ROUND * rounds + 1):
        began = time.perf_counter()
        with house.begin() as session:
            taken = claims.claim(
                session, ScheduledStep, limit=BATCH, lease=timedelta(minutes=5), now=clock.now(session)
            )  # fmt: skip
        took.append((time.perf_counter() - began) * 1000)
        assert len(taken) == BATCH, len(taken)
    return median(took[1:])


def _looks(house: sessionmaker[Session]) -> float:
    """Return the milliseconds of the scheduler's questions when the answer is no."""
    from app import clock
    from app.models import Delivery, ScheduledStep, Webhook, claims

    with house.begin() as session:
        session.execute(text("UPDATE scheduled_steps SET state = 'done' WHERE lease_until IS NOT NULL"))
    took = []
    for _ in range(LOOKS):
        with house.begin() as session:
            now = clock.now(session)
            began = time.perf_counter()
            found = [claims.is_anything_due(session, model, now) for model in (Webhook, ScheduledStep, Delivery)]
            took.append((time.perf_counter() - began) * 1000)
        assert not any(found)
    return median(took)


if __name__ == "__main__":
    main()
