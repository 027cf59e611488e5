"""The tables: as the models say, there and back again, and each of a shop's behind the wall (I10)."""

from collections.abc import Iterator

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Engine, text

from app import db, schema
from app.models import Base

TENANT_TABLES = sorted(t.name for t in Base.metadata.sorted_tables if "shop_id" in t.columns)
# No merchant's page reads these at all: secrets are opened by jobs and by the webhook doors.
CLOSED = {"shop_tokens", "oauth_states", "doubts", "staff", "replays", "sign_in_mails"}


@pytest.fixture
def scratch(house) -> Iterator[Engine]:
    """A database of its own with nothing in it."""
    url = db.engine().url
    name = f"{url.database}_scratch"
    server = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    engine = db.make_engine(url.set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def differences(engine: Engine) -> list[object]:
    """Return what a new migration would have to change for the models to be true."""
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))


def downgrade(engine: Engine, to: str) -> None:
    with engine.begin() as connection:
        config = schema._config()
        config.attributes["connection"] = connection
        command.downgrade(config, to)


def relations(engine: Engine) -> set[str]:
    """Return everything that lies in our schema: tables, indexes, sequences, policies."""
    query = (
        "SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'policy ' || tablename || '.' || policyname || qual || with_check FROM pg_policies "
        "UNION ALL SELECT 'right ' || table_name || ' ' || privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = 'cartwheel_tenant'"
    )
    with engine.connect() as connection:
        return set(connection.scalars(text(query)))


def test_models_and_migrations_agree(house):
    assert differences(db.engine()) == []


def test_the_way_back_leaves_nothing_and_the_way_up_again_everything(scratch):
    schema.migrate(scratch)
    first = relations(scratch)
    downgrade(scratch, "base")
    left = relations(scratch)
    schema.migrate(scratch)

    assert left == {"r alembic_version", "i alembic_version_pkc"}
    assert relations(scratch) == first
    assert differences(scratch) == []


def test_migrating_stops_at_a_revision_that_is_asked_for(scratch):
    schema.migrate(scratch, to="0001")

    assert schema.is_current(scratch) == (schema.newest() == "0001")


def test_every_table_of_a_shop_begins_its_key_with_the_shop():
    keys = {t.name: [c.name for c in t.primary_key.columns] for t in Base.metadata.sorted_tables if "shop_id" in t.columns}

    assert {name: key for name, key in keys.items() if key != ["shop_id", "id"]} == {}


def test_every_unique_index_of_a_shops_table_holds_within_the_shop():
    """Else one shop's row could refuse another's, and tell that it is there. A mail's token is random for all of them."""
    unique = {
        f"{table.name}.{index.name}": [c.name for c in index.columns]
        for table in Base.metadata.sorted_tables
        if "shop_id" in table.columns
        for index in table.indexes
        if index.unique
    }

    # What leads from an address of ours to its shop is unguessable, and unique over all shops.
    tokens = {
        "deliveries.uq_deliveries_token", "links.uq_links_token", "mail_rules.uq_mail_rules_form_token",
        "opt_ins.uq_opt_ins_token",
    }  # fmt: skip

    assert {name for name, columns in unique.items() if columns[0] != "shop_id"} == tokens


def test_every_table_of_a_shop_is_behind_the_wall(house):
    """I10: row-level security is on, and its one policy lets the plain role at the rows of the shop that is set."""
    rule = "({} = (NULLIF(current_setting('cartwheel.shop_id'::text, true), ''::text))::bigint)"
    columns = {**dict.fromkeys({*TENANT_TABLES} - CLOSED, "shop_id"), "shops": "id"}
    with house() as session:
        walled = set(session.scalars(text("SELECT relname FROM pg_class WHERE relkind = 'r' AND relrowsecurity")))
        query = "SELECT tablename, roles::text, cmd, permissive, qual, with_check FROM pg_policies"
        policies = [tuple(row) for row in session.execute(text(query))]

    assert walled == set(columns)
    assert sorted(policies) == sorted(
        (table, "{cartwheel_tenant}", "ALL", "PERMISSIVE", rule.format(column), rule.format(column))
        for table, column in columns.items()
    )


def test_the_plain_role_has_no_right_beyond_the_wall(house):
    """What has no policy is closed altogether; a table that comes later must say which of the two it is."""
    query = (
        "SELECT table_name FROM information_schema.role_table_grants "
        "WHERE table_schema = 'public' AND grantee IN ('cartwheel_tenant', 'PUBLIC')"
    )
    with house() as session:
        open_tables = set(session.scalars(text(query)))

    assert open_tables == {*TENANT_TABLES, "shops", "demo_clock"} - CLOSED


def test_the_plain_role_can_do_nothing_by_itself(house):
    """It does not sign in, is no superuser, and does not pass by the policies."""
    query = (
        "SELECT rolcanlogin, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolinherit FROM pg_roles WHERE rolname = :r"
    )
    with house() as session:
        can_login, *powers, _ = session.execute(text(query), {"r": db.TENANT_ROLE}).one()
        memberships = session.scalar(
            text("SELECT count(*) FROM pg_auth_members WHERE member = to_regrole(:r)::oid"), {"r": db.TENANT_ROLE}
        )

    assert (can_login, powers, memberships) == (False, [False, False, False, False], 0)


def test_a_shop_that_was_connected_before_is_asked_for_reviews_and_waits_for_no_import(scratch):
    """What people answered by mail stays, and nothing says that the shop is not read to the end."""
    schema.migrate(scratch, to="0022")
    shop = (
        "INSERT INTO shops (platform, domain, url, name, sender_email, hash_key, state, installed_at) "
        "VALUES (:platform, :domain, '', '', '', '', :state, now()) RETURNING id"
    )
    answer = (
        "INSERT INTO answers (shop_id, delivery_id, enrollment_id, customer_id, score, is_low, answered_at) "
        "VALUES (:id, 1, 1, 1, 5, false, now())"
    )
    ids = {}
    with scratch.begin() as connection:
        for state in ("active", "paused", "uninstalled"):
            told = {"platform": "woocommerce", "domain": state, "state": state}
            ids[state] = connection.scalar(text(shop), told)
            connection.execute(text(answer), {"id": ids[state]})
    schema.migrate(scratch)
    with scratch.begin() as connection:
        cursors = connection.execute(text("SELECT shop_id, kind, state, watermark, imported_at FROM cursors")).all()
        waiting = connection.scalar(text("SELECT count(*) FROM shops WHERE import_wanted_at IS NOT NULL"))
        answers = connection.scalar(text("SELECT count(*) FROM answers WHERE review_id IS NULL AND score = 5"))

    assert sorted(tuple(c) for c in cursors) == [(ids[s], "reviews", "pending", None, None) for s in ("active", "paused")]
    assert (waiting, answers) == (0, 3)
