"""One shop never sees or changes another's rows, even where a query forgets to ask (I10)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.orm import Session, sessionmaker

from app import clock
from app.db import TENANT_ROLE, sessions, tenant_session
from app.models import Base
from integrations import PLATFORMS
from tests import builders

CLOSED = {
    "shop_tokens",
    "oauth_states",
    "doubts",
    "staff",
    "replays",
    "sign_in_mails",
}  # no merchant's page reads secrets, nor what staff do for shops
TABLES = {t.name: t for t in Base.metadata.sorted_tables if "shop_id" in t.columns and t.name not in CLOSED}
DENIED = "InsufficientPrivilege"


def companion_checkout(token: str, email: str, at: datetime) -> dict[str, Any]:
    """A checkout as our WooCommerce plugin will tell it."""
    return {
        "token": token, "email": email, "currency": "EUR", "status": "open", "subtotal": "79.00", "total": "79.00",
        "created_at_gmt": at.strftime("%Y-%m-%dT%H:%M:%S"), "updated_at_gmt": at.strftime("%Y-%m-%dT%H:%M:%S"),
        "items": [{"name": "Pebble", "quantity": 1, "price": "79.00", "product_id": 12}],
        "recovery_url": f"https://lamp-loft.example/checkout?cart={token}",
        "consent": {"marketing": True, "at": at.strftime("%Y-%m-%dT%H:%M:%S"), "text": "Send me offers"},
    }  # fmt: skip


def tell(session: Session, tea: int, lamp: int, now: datetime) -> None:
    """Alice leaves a cart at Tea & Tin, Charlie one at Lamp Loft; both shops have an order of somebody else."""
    body = builders.checkout_body("t-alice", now, customer_id=71)
    builders.store_webhook(session, tea, "checkouts/update", body, key="c1")
    builders.store_webhook(session, tea, "orders/create", builders.order_body(9, now, email="dora@example.com"), key="o1")
    companion = companion_checkout("t-charlie", "charlie@example.com", now)
    builders.store_webhook(session, lamp, "checkout.updated", companion, key="c1", platform="woocommerce")


def fill(session: Session, table: sa.Table, shop_id: int) -> None:
    """Put a row that means nothing into a table which the story leaves empty; also into one that comes later."""
    values: dict[str, Any] = {"shop_id": shop_id}
    for column in table.columns:
        if column.name in {"shop_id", "id"} or column.nullable or column.server_default is not None:
            continue
        values[column.name] = _something(column.type, shop_id)
    for key in table.foreign_key_constraints:
        there = key.referred_table
        wanted = [e.column for e in key.elements]
        values |= zip(
            key.column_keys, session.execute(sa.select(*wanted).where(there.c.shop_id == shop_id)).first(), strict=True
        )
    session.execute(table.insert().values(values))


def _something(kind: sa.types.TypeEngine[Any], shop_id: int) -> Any:
    """Return a value; a token has to be another one for each shop."""
    samples = {
        sa.DateTime: datetime(2026, 11, 19, 12, 0, tzinfo=UTC), sa.LargeBinary: bytes([shop_id]) * 16, postgresql.JSONB: [],
        sa.Date: date(2026, 11, 19), sa.Boolean: False, sa.Integer: 1, sa.Float: 1.0, sa.Numeric: 0, sa.String: "x",
    }  # fmt: skip
    return next(value for type_, value in samples.items() if isinstance(kind, type_))


@pytest.fixture
def two_names(house: sessionmaker[Session]) -> tuple[int, int]:
    """Both shops, just connected."""
    with house.begin() as session:
        return builders.tea_and_tin(session), builders.lamp_loft(session)[0]


@pytest.fixture
def two_shops(house: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Tea & Tin with Alice, Lamp Loft with Charlie, both mailed, and a row of both in every table."""
    for platform in PLATFORMS.values():
        monkeypatch.setattr(platform, "mint_coupon", lambda access, spec: f"made-{spec.code}")
    with house.begin() as session:
        tea, (lamp, _) = builders.tea_and_tin(session), builders.lamp_loft(session)
        tell(session, tea, lamp, clock.now(session))
    for hours in (0, 25):  # the reminder is stale by then, the coupon leaves
        builders.skip_clock(house, timedelta(hours=hours))
        builders.work_off()
    with house.begin() as session:
        for table in TABLES.values():
            held = set(session.scalars(sa.select(table.c.shop_id)))
            for shop_id in {tea, lamp} - held:
                fill(session, table, shop_id)
    return tea, lamp


def everything(maker: sessionmaker[Session], shop_id: int) -> dict[str, list[Any]]:
    """Return all rows of a shop, as the owner sees them."""
    with maker() as session:
        rows = {
            name: [tuple(r) for r in session.execute(sa.select(t).where(t.c.shop_id == shop_id).order_by(t.c.id))]
            for name, t in TABLES.items()
        }
        shop = session.execute(text("SELECT * FROM shops WHERE id = :id"), {"id": shop_id}).all()
        tokens = session.execute(text("SELECT * FROM shop_tokens WHERE shop_id = :id ORDER BY id"), {"id": shop_id}).all()
        return {**rows, "shops": [tuple(r) for r in shop], "shop_tokens": [tuple(r) for r in tokens]}


def attempts(table: sa.Table, other: int) -> Iterator[tuple[str, str]]:
    """Yield what somebody would try on another shop's rows of a table."""
    name = table.name
    free = next(c.name for c in table.columns if c.name not in {"shop_id", "id"})
    yield "update", f"UPDATE {name} SET {free} = {free} WHERE shop_id = {other}"
    yield "update without where", f"UPDATE {name} SET {free} = {free}"
    yield "delete", f"DELETE FROM {name} WHERE shop_id = {other}"
    yield "give away", f"UPDATE {name} SET shop_id = {other}"
    yield "lock", f"SELECT 1 FROM {name} WHERE shop_id = {other} FOR UPDATE"


def outcome(session: Session, statement: str | sa.Insert) -> int | str:
    """Return how many rows a statement touched, or the database's word for its refusal; nothing of it stays."""
    try:
        with session.begin_nested() as savepoint:
            result = session.execute(text(statement) if isinstance(statement, str) else statement)
            touched = len(result.all()) if result.returns_rows else result.rowcount
            savepoint.rollback()
            return touched
    except DBAPIError as exc:
        return type(exc.orig).__name__


def test_the_story_left_rows_of_both_shops_in_every_table(house, two_shops):
    """Guards the tests below: an empty table would prove nothing."""
    tea, lamp = (everything(house, shop_id) for shop_id in two_shops)

    assert [name for name in (*TABLES, "shops", "shop_tokens") if not tea[name] or not lamp[name]] == []
    assert {row[0] for row in builders.ledger(house, ("recipient",))} >= {"alice@example.com", "charlie@example.com"}


def test_a_query_that_forgets_the_shop_shows_one_shop_only(house, two_shops):
    seen, held = {}, {}
    for shop_id in two_shops:
        held[shop_id] = everything(house, shop_id)
        held[shop_id].pop("shop_tokens")
        with tenant_session(shop_id) as session:
            seen[shop_id] = {
                name: list(map(tuple, session.execute(sa.select(t).order_by(t.c.id)))) for name, t in TABLES.items()
            }
            seen[shop_id]["shops"] = list(map(tuple, session.execute(text("SELECT * FROM shops"))))

    assert seen == held


def test_asking_for_the_other_shop_by_name_shows_nothing(house, two_shops):
    tea, lamp = two_shops
    joined = "SELECT count(*) FROM deliveries a, deliveries b WHERE a.shop_id <> b.shop_id"
    with tenant_session(tea) as session:
        seen = {name for name, t in TABLES.items() if session.execute(sa.select(t.c.id).where(t.c.shop_id == lamp)).first()}
        shop = session.execute(text("SELECT id FROM shops WHERE id = :id"), {"id": lamp}).all()

        assert (seen, shop, session.execute(text(joined)).scalar_one()) == (set(), [], 0)


def test_nothing_of_the_other_shop_is_changed_locked_or_deleted(house, two_shops):
    """Where the role may write at all, the other shop's rows are not there for it; elsewhere it is refused."""
    tea, lamp = two_shops
    before = everything(house, lamp)
    got, allowed = {}, {}
    with tenant_session(tea) as session:
        for name, table in TABLES.items():
            mine = session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            unseen, own = {0, DENIED}, {mine, DENIED}
            for what, statement in attempts(table, lamp):
                got[name, what] = outcome(session, statement)
                allowed[name, what] = {"update without where": own, "give away": {DENIED}}.get(what, unseen)

    assert {which: answer for which, answer in got.items() if answer not in allowed[which]} == {}
    assert everything(house, lamp) == before


def test_nothing_is_slipped_into_the_other_shop(house, two_shops):
    """Not even a copy of a row of one's own."""
    tea, lamp = two_shops
    answers = {}
    with tenant_session(tea) as session:
        for name, table in TABLES.items():
            others = [c.name for c in table.columns if c.name not in {"shop_id", "id"} and c.computed is None]
            copy = sa.select(sa.literal(lamp), *(table.c[other] for other in others)).limit(1)
            answers[name] = outcome(session, sa.insert(table).from_select(["shop_id", *others], copy))

    assert {name: answer for name, answer in answers.items() if answer != DENIED} == {}


def test_no_setting_is_left_on_the_pooled_connection(house, two_shops):
    """The next transaction on the same connection is the owner's again; as a tenant without a shop it sees nothing."""
    tea, _ = two_shops
    with tenant_session(tea) as session:
        backend = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
        assert session.execute(text("SELECT current_user")).scalar_one() == TENANT_ROLE
    with sessions().begin() as session:
        facts = session.execute(
            text("SELECT pg_backend_pid(), current_user, nullif(current_setting('cartwheel.shop_id', true), '')")
        ).one()
        session.execute(text(f"SET LOCAL ROLE {TENANT_ROLE}"))
        seen = {name: session.execute(sa.select(sa.func.count()).select_from(t)).scalar_one() for name, t in TABLES.items()}
        shops = session.execute(text("SELECT count(*) FROM shops")).scalar_one()

    assert facts[0] == backend
    assert facts[1] != TENANT_ROLE
    assert (facts[2], shops, sum(seen.values())) == (None, 0, 0)


def test_no_setting_is_left_when_a_request_breaks(house, two_names):
    tea, _ = two_names
    with pytest.raises(ProgrammingError), tenant_session(tea) as session:
        session.execute(text("SELECT no_such_column FROM shops"))
    with sessions()() as session:
        query = "SELECT current_user <> :role, nullif(current_setting('cartwheel.shop_id', true), '')"

        assert tuple(session.execute(text(query), {"role": TENANT_ROLE}).one()) == (True, None)


def test_a_request_inside_another_one_has_its_own_shop(house, two_names):
    """The frame of a page reads the names of the other shops of a session, each behind its own wall."""
    tea, lamp = two_names
    with tenant_session(tea) as outer:
        with tenant_session(lamp) as inner:
            seen = inner.execute(text("SELECT id FROM shops")).scalars().all()

        assert (seen, outer.execute(text("SELECT id FROM shops")).scalars().all()) == ([lamp], [tea])


def test_a_webhook_can_be_set_due_again_but_not_rewritten(house, two_shops):
    columns = ("body", "topic", "headers", "dedupe_key", "body_sha256", "platform", "received_at", "triggered_at")
    again = "state = 'pending', attempts = 0, deaths = 0, due_at = now(), lease_until = NULL, fence = fence + 1"
    with tenant_session(two_shops[0]) as session:
        mine = session.execute(text("SELECT count(*) FROM webhooks")).scalar_one()
        replayed = outcome(session, f"UPDATE webhooks SET {again}")
        rewritten = {outcome(session, f"UPDATE webhooks SET {column} = {column}") for column in columns}
        deleted = outcome(session, "DELETE FROM webhooks")

    assert (replayed, rewritten, deleted) == (mine, {DENIED}, DENIED)


OUT_OF_REACH = (
    "SELECT secret FROM shop_tokens",
    "SELECT count(*) FROM shop_tokens",
    "UPDATE shop_tokens SET kind = kind",
    "DELETE FROM shop_tokens",
    "SELECT token_hash FROM sign_in_links",
    "UPDATE shops SET state = 'active'",
    "UPDATE shops SET domain = domain",
    "UPDATE shops SET hash_key = hash_key",
    "DELETE FROM shops",
    "UPDATE demo_clock SET offset_seconds = 0",
    "TRUNCATE customers",
    "ALTER TABLE customers DISABLE ROW LEVEL SECURITY",
    "DROP POLICY tenant ON customers",
    "SELECT * FROM pg_authid",
)


def test_secrets_and_the_wall_itself_are_out_of_reach(house, two_names):
    with tenant_session(two_names[0]) as session:
        answers = {statement: outcome(session, statement) for statement in OUT_OF_REACH}

    assert {statement: answer for statement, answer in answers.items() if answer != DENIED} == {}


def test_how_a_shops_mails_go_out_is_changed_for_one_shop_only(house, two_names):
    with tenant_session(two_names[0]) as session:
        changed = outcome(session, "UPDATE shops SET postal_address = '', quiet_from = NULL")
        others = outcome(session, f"UPDATE shops SET sender_email = '' WHERE id = {two_names[1]}")

    assert (changed, others) == (1, 0)


def test_what_belongs_to_no_shop_is_for_staff_only(house, two_names):
    """A compliance webhook of an unknown shop lies under the shop id 0; jobs, staff and the command line see every shop."""
    query = text("SELECT shop_id FROM webhooks ORDER BY shop_id")
    with house.begin() as session:
        for shop_id in (0, *two_names):
            builders.store_webhook(session, shop_id, "shop/redact", b"{}", key="stranger")
    with tenant_session(two_names[0]) as session:
        seen = session.scalars(query).all()
    with sessions()() as session:
        seen_by_owner = session.scalars(query).all()

    assert (seen, seen_by_owner) == ([two_names[0]], [0, *two_names])
