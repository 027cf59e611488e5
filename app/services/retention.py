"""What is kept no longer than it is needed (reliability.md 7): each rule is one statement over a batch of rows."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from app.services import watch

BATCH = 1000  # rows in one transaction
EVERY = timedelta(hours=1)
PROCESS = "housekeeping"  # whose sign of life says when it was done last

_DONE_BODIES = timedelta(days=30)
_KEYS = timedelta(days=90)
_DECISIONS = timedelta(days=400)  # a year of "why", and the season it is compared with


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of rows that is over at some age; `statement` takes :age and :batch."""

    name: str
    age: timedelta
    statement: str


RULES = (
    Rule(
        "bodies of handled webhooks",
        _DONE_BODIES,
        "UPDATE webhooks SET body = NULL WHERE (shop_id, id) IN (SELECT shop_id, id FROM webhooks "
        "WHERE received_at < now() - :age AND state IN ('done', 'ignored') AND body IS NOT NULL LIMIT :batch)",
    ),
    Rule(
        "bodies of failed webhooks",
        _KEYS,
        "UPDATE webhooks SET body = NULL, headers = '{}', state = 'redacted', processed_at = now(), fence = fence + 1 "
        "WHERE (shop_id, id) IN (SELECT shop_id, id FROM webhooks "
        "WHERE received_at < now() - :age AND state = 'failed' LIMIT :batch)",
    ),
    # One that was given up just now stays visible as long again.
    Rule(
        "keys of ended webhooks",
        _KEYS,
        "DELETE FROM webhooks WHERE (shop_id, id) IN (SELECT shop_id, id FROM webhooks WHERE received_at < now() - :age "
        "AND coalesce(processed_at, received_at) < now() - :age AND state IN ('done', 'ignored', 'redacted') LIMIT :batch)",
    ),
    Rule(
        "decisions",
        _DECISIONS,
        "DELETE FROM decisions WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM decisions WHERE decided_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "network addresses of clicks",
        timedelta(days=30),
        "UPDATE engagements SET ip_hash = NULL WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM engagements WHERE at < now() - :age AND ip_hash IS NOT NULL LIMIT :batch)",
    ),
    Rule(
        "requests to confirm that ended",
        timedelta(days=30),
        "DELETE FROM opt_ins WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM opt_ins WHERE ended_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "write-backs of consent",
        _KEYS,
        "DELETE FROM consent_writes WHERE (shop_id, id) IN (SELECT shop_id, id FROM consent_writes "
        "WHERE state <> 'pending' AND due_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "clicks and opens",
        _DECISIONS,
        "DELETE FROM engagements WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM engagements WHERE at < now() - :age LIMIT :batch)",
    ),
    # Suppressions, a mail's progress and the weeks of hygiene are rows of their own and stay. An event that is told again so
    # late is refused at the door by its age.
    Rule(
        "what providers told",
        _DECISIONS,
        "DELETE FROM delivery_events WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM delivery_events WHERE recorded_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "links",
        _DECISIONS,
        "DELETE FROM links WHERE (shop_id, id) IN (SELECT l.shop_id, l.id FROM links l JOIN deliveries d "
        "ON d.shop_id = l.shop_id AND d.id = l.delivery_id WHERE d.created_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "exports",
        timedelta(0),
        "DELETE FROM exports WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM exports WHERE expires_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "rehearsals",
        timedelta(0),
        "DELETE FROM rehearsals WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM rehearsals WHERE expires_at < now() - :age AND state <> 'pending' LIMIT :batch)",
    ),
    Rule(
        "links to sign in with",
        timedelta(0),
        "DELETE FROM sign_in_links WHERE token_hash IN "
        "(SELECT token_hash FROM sign_in_links WHERE expires_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "links to sign in with that were mailed",
        timedelta(days=1),
        "DELETE FROM sign_in_mails WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM sign_in_mails WHERE created_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "attempts to connect a shop",
        timedelta(days=2),  # their page can be opened for a day
        "DELETE FROM oauth_states WHERE (shop_id, id) IN "
        "(SELECT shop_id, id FROM oauth_states WHERE created_at < now() - :age LIMIT :batch)",
    ),
    Rule(
        "doubts that no shop settled",
        _KEYS,
        "DELETE FROM doubts WHERE (shop_id, id) IN (SELECT shop_id, id FROM doubts "
        "WHERE told_at < now() - :age AND state = 'failed' LIMIT :batch)",
    ),
)


def is_due(session: Session) -> bool:
    """Say whether it was not done within the hour."""
    silent = watch.silence(session, PROCESS)
    return silent is None or silent >= EVERY


def apply(session: Session, rule: Rule) -> int:
    """Apply a rule to one batch and return how many rows it took; fewer than BATCH means that no more are over."""
    result = session.execute(text(rule.statement), {"age": rule.age, "batch": BATCH})
    assert isinstance(result, CursorResult)  # noqa: S101  (for the type checker: it changes rows, so it counts them)
    return result.rowcount


def mark_done(session: Session) -> None:
    """Note that all rules were applied; the next time is in an hour."""
    watch.beat(session, PROCESS)
