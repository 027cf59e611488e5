"""What is held about a person is told to the store owner, complete and under lock, and goes when the person does."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import text

import jobs.housekeeping
from app import clock
from app.cli import cli
from app.crypto import CannotDecrypt
from app.models import Export
from app.services import export
from tests import builders

PERSONAL = ("alice@example.com", "Alice", "recover/t1")


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin, where Alice left a cart, was mailed twice, and bought; and Bob beside her."""
    monkeypatch.setattr("integrations.shopify.platform.mint_coupon", lambda access, spec: f"gid://coupon/{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
        builders.store_webhook(
            session, shop_id, "checkouts/update", builders.checkout_body("t1", now, customer_id=71), key="a1"
        )
        bobs = builders.checkout_body("t2", now, email="bob@example.com", customer_id=72)
        builders.store_webhook(session, shop_id, "checkouts/update", bobs, key="b1")
    for hours in (0, 2, 24):
        builders.skip_clock(house, timedelta(hours=hours))
        builders.work_off()
    order = builders.order_body(9, now + timedelta(hours=26), token="t1", customer_id=71)
    line = {"title": "Stoneware Mug", "quantity": 2, "price": "24.00", "product_id": 11}
    receive(house, shop_id, "orders/create", order | {"line_items": [line]}, "a2")
    return house, shop_id, now


def receive(house, shop_id, topic, body, key):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, topic, body, key=key)
    builders.work_off()


def request(**customer):
    return {"shop_domain": builders.TEA_AND_TIN, "customer": customer, "data_request": {"id": 9999}, "orders_requested": []}


def run(*arguments, code=0):
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == code, done.output
    return done


def ends(house):
    with house() as session:
        return [
            tuple(r)
            for r in session.execute(text("SELECT state, error FROM webhooks WHERE topic = 'customers/data_request'"))
        ]


def stored(house) -> list[Export]:
    with house() as session:
        return list(session.query(Export).order_by(Export.id))


def test_a_request_makes_an_export_of_all_that_is_held(shop):
    house, shop_id, _ = shop
    receive(house, shop_id, "customers/data_request", request(id=71), "w1")
    (kept,) = stored(house)
    told = export.read(kept)

    assert ends(house) == [("done", None)]
    assert (kept.kind, kept.expires_at - kept.requested_at) == ("data_request", timedelta(days=30))
    assert {(i["kind"], i["value"]) for i in told["identities"]} == {("email", "alice@example.com"), ("id", "71")}
    assert [c["state"] for c in told["consents"]] == ["subscribed"]
    assert [(c["email"], c["total_minor"], len(c["lines"])) for c in told["checkouts"]] == [("alice@example.com", 4800, 1)]
    assert [(o["number"], o["lines"][0]["title"]) for o in told["orders"]] == [("#9", "Stoneware Mug")]
    assert [(m["step"], m["state"], bool(m["subject"]), bool(m["sent_at"])) for m in told["mails"]] == [
        ("reminder", "sent", True, True),
        ("coupon", "sent", True, True),
    ]
    assert "bob" not in json.dumps(told)


def test_an_export_lies_under_lock(shop):
    house, shop_id, _ = shop
    receive(house, shop_id, "customers/data_request", request(email="alice@example.com"), "w1")
    (kept,) = stored(house)
    foreign = Export(shop_id=shop_id + 1, content=kept.content)

    assert [value for value in PERSONAL if value.encode() in kept.content] == []
    with pytest.raises(CannotDecrypt):
        export.read(foreign)


def test_a_request_that_comes_twice_has_one_answer(shop):
    house, shop_id, _ = shop
    receive(house, shop_id, "customers/data_request", request(id=71), "w1")
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET state = 'pending' WHERE topic = 'customers/data_request'"))
    builders.work_off()

    assert len(stored(house)) == 1


def test_a_request_about_a_stranger_is_answered_with_nothing(shop):
    house, shop_id, _ = shop
    receive(house, shop_id, "customers/data_request", request(id=404, email="nobody@example.com"), "w1")
    (kept,) = stored(house)

    assert ends(house) == [("done", None)]
    assert {name: value for name, value in export.read(kept).items() if value and name != "exported_at"} == {}


def test_the_owner_prints_it_and_the_look_is_on_record(shop):
    house, shop_id, _ = shop
    receive(house, shop_id, "customers/data_request", request(id=71), "w1")
    printed = json.loads(run("customer", "export", "Alice@example.com", "--shop", str(shop_id), "--json").stdout)
    with house() as session:
        acts = session.execute(text("SELECT action, object_kind, detail FROM audit_log ORDER BY id DESC LIMIT 1")).one()

    assert printed == export.read(stored(house)[0])
    assert len(stored(house)) == 1
    assert tuple(acts) == ("customer.exported", "customer", {})


def test_without_a_request_it_is_made_when_it_is_asked_for(shop):
    house, _, _ = shop
    first = json.loads(run("customer", "export", "1", "--json").stdout)
    run("customer", "export", "1", "--new")

    assert first["people"][0]["email"] == "alice@example.com"
    assert [kept.kind for kept in stored(house)] == ["manual", "manual"]


def test_an_expired_export_is_not_shown(shop):
    house, _, _ = shop
    run("customer", "export", "1")
    builders.skip_clock(house, timedelta(days=31))
    run("customer", "export", "1")

    assert len(stored(house)) == 2


def test_a_person_is_shown_with_how_much_is_held(shop):
    shown = json.loads(run("customer", "show", "alice@example.com", "--json").stdout)

    assert (shown["id"], shown["checkouts"], shown["orders"], shown["mails"], shown["in_flows"]) == (1, 1, 1, 2, [])
    assert {i["kind"]: i["consent"] for i in shown["identities"]} == {"email": "subscribed", "id": "none"}


@pytest.mark.parametrize("who", ["nobody@example.com", "404", "alice", "٣"])
def test_a_stranger_is_refused(shop, who):
    for command in (("show",), ("export",), ("forget", "--yes")):
        if who == "nobody@example.com" and command[0] == "forget":
            continue
        done = run("customer", *command, who, code=1)

        assert f"There is no customer {who}" in done.stderr


def test_a_person_is_forgotten_from_the_command_line(shop):
    house, _, _ = shop
    run("customer", "export", "1")
    refused = CliRunner().invoke(cli, ["customer", "forget", "alice@example.com"], input="n\n")
    assert refused.exit_code == 1
    assert len(stored(house)) == 1

    done = json.loads(run("customer", "forget", "alice@example.com", "--yes", "--json").stdout)
    jobs.housekeeping.drain()
    with house() as session:
        everything = [repr(r) for t in ("customers", "customer_identities", "checkouts", "orders", "deliveries", "audit_log",
                      "events", "webhooks") for r in session.execute(text(f"SELECT * FROM {t}"))]  # fmt: skip
        suppressed = session.execute(text("SELECT scope, reason, source FROM suppressions")).all()
        acts = session.execute(
            text("SELECT action, object_id FROM audit_log WHERE shop_id > 0 ORDER BY id DESC LIMIT 1")
        ).one()

    assert done["state"] == "erased"
    assert [row for row in everything if "alice@" in row.lower()] == []
    assert [row for row in everything if "bob@" in row.lower()] != []
    assert [tuple(s) for s in suppressed] == [("all", "manual", "redact")]
    assert tuple(acts) == ("customer.forgotten", "1")
    assert stored(house) == []


def test_an_address_that_is_not_known_yet_can_be_forgotten(shop):
    house, _, _ = shop
    run("customer", "forget", "nobody@example.com", "--yes")
    with house() as session:
        assert session.scalar(text("SELECT count(*) FROM suppressions")) == 1
