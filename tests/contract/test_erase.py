"""After a redaction no personal value remains anywhere, and a keyed hash keeps the mail away (I12)."""

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from sqlalchemy import text

import jobs.housekeeping
from app import clock, queues
from app.config import settings
from app.domain.errors import Refused, Transient
from app.domain.traces import Traces
from app.models import Base
from app.services import audit, bodies, export, install, replay
from integrations.outbox.transport import OutboxTransport
from tests import builders

ALICE = {
    "email": "alice@example.com", "second address": "a.liddell@work.example",
    "first name": "Alisanda", "last name": "Liddell",
    "customer id": "7751266074001", "phone": "+351912345678", "street": "Rua do Coelho 9",
    "token": "tok-alice-0123456789abcdef", "cart": "cart-tok-alice-0123456789abcdef", "tracking": "1Z999AA10123456784",
}  # fmt: skip
ALICE_ID = int(ALICE["customer id"])
TOKEN, WOO_TOKEN = ALICE["token"], "tok-woo-alice-0123"
HER_ORDER, HIS_ORDER = 5983320113001, 5983320113002
ADDRESS = {
    "first_name": ALICE["first name"],
    "last_name": "Liddell",
    "address1": ALICE["street"],
    "phone": ALICE["phone"],
    "country_code": "PT",
}
CUSTOMER = {
    "id": ALICE_ID,
    "email": ALICE["email"],
    "first_name": ALICE["first name"],
    "last_name": "Liddell",
    "phone": ALICE["phone"],
}
MUG = {
    "title": "Mug with the name Liddell",
    "quantity": 1,
    "price": "24.00",
    "product_id": 11,
    "variant_id": 12,
    "sku": "MUG",
}


@pytest.fixture
def shop(house, monkeypatch):
    """Tea & Tin with its flow on, and a pretend Shopify that makes every coupon."""
    monkeypatch.setattr("integrations.shopify.platform.mint_coupon", lambda access, spec: f"gid://coupon/{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        now = clock.now(session)
    return house, shop_id, now


def checkout(now, token=TOKEN, email=ALICE["email"], **more):
    """A checkout with everything personal that Shopify puts into one."""
    body = builders.checkout_body(token, now, email=email, customer_id=ALICE_ID, **more)
    return body | {"customer": CUSTOMER, "billing_address": ADDRESS, "shipping_address": ADDRESS, "phone": ALICE["phone"]}


def bobs_checkout(token, now):
    body = builders.checkout_body(token, now, email="bob@example.com", customer_id=72)
    return body | {"billing_address": {"first_name": "Bob"}, "customer": {"id": 72, "email": "bob@example.com"}}


def order(now, **more):
    """An order of Alice's with lines, addresses, and a parcel on its way."""
    parcel = {
        "id": 4040, "order_id": HER_ORDER, "status": "success", "created_at": now.isoformat(), "updated_at": now.isoformat(),
        "tracking_company": "UPS", "tracking_number": ALICE["tracking"], "tracking_url": f"https://ups/{ALICE['tracking']}",
    }  # fmt: skip
    body = builders.order_body(HER_ORDER, now, token=TOKEN, email=ALICE["email"], **more)
    return body | {"customer": CUSTOMER, "shipping_address": ADDRESS, "line_items": [MUG], "fulfillments": [parcel]}


def consent(now, email=ALICE["email"]):
    said = {"state": "subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": now.isoformat()}
    return {"customer_id": ALICE_ID, "email_address": email, "email_marketing_consent": said}


def redaction(**customer):
    given = {"id": ALICE_ID, "email": ALICE["email"], "phone": ALICE["phone"]} | customer
    return {"shop_domain": builders.TEA_AND_TIN, "customer": given, "orders_to_redact": [HER_ORDER]}


def receive(house, shop_id, topic, body, key, **more):
    with house.begin() as session:
        builders.store_webhook(session, shop_id, topic, body, key=key, **more)
    builders.work_off()


def later(house, **by):
    builders.skip_clock(house, timedelta(**by))
    builders.work_off()


def disguises(email: str) -> dict[str, bytes]:
    """The address in every way that a body can hold it."""
    inner = json.dumps({"email": email}).replace("@", "\\u0040")
    return {
        "plain": f"to {email}".encode(),
        "upper": json.dumps({"mail": email.upper()}).encode(),
        "json escape": inner.encode(),
        "json in json": json.dumps({"detail": inner}).encode(),
        "url": b'{"link": "https:\\/\\/x.example\\/?e=' + quote(email, safe="").encode() + b'"}',
        "html": f'{{"note": "{email.replace("@", "&#64;")}"}}'.encode(),
        **{
            f"base64 {n}": json.dumps({"t": base64.b64encode(b'{" '[:n] + f' {email}"'.encode()).decode()}).encode()
            for n in range(3)
        },
        "base64 url": base64.urlsafe_b64encode(json.dumps({"?>": email.title()}).encode()).rstrip(b"="),
        "hex": json.dumps({"hex": email.encode().hex().upper()}).encode(),
        "broken json": b'{"customer": {"email": "' + email.encode(),
        "not text": b"\xff\xfe" + email.encode() + b"\x00",
    }


def seed(house, shop_id, now):
    """Alice's whole story, and Bob's beside it."""
    receive(
        house,
        shop_id,
        "customers/update",
        CUSTOMER | {"updated_at": now.isoformat(), "tags": "vip", "addresses": [ADDRESS]},
        "a1",
    )
    receive(house, shop_id, "checkouts/update", checkout(now), "a2")
    receive(
        house,
        shop_id,
        "checkouts/update",
        bobs_checkout("tok-bob", now),
        "b1",
    )
    receive(house, shop_id, "customers_email_marketing_consent/update", consent(now, ALICE["second address"]), "a3")
    later(house, hours=2)
    later(house, hours=24)
    at = now + timedelta(hours=26)
    receive(house, shop_id, "orders/create", order(at), "a4")
    receive(
        house, shop_id, "orders/create", builders.order_body(HIS_ORDER, at, email="bob@example.com", customer_id=72), "b2"
    )
    parcel = {"id": 9, "fulfillment_id": 4040, "order_id": HER_ORDER, "status": "in_transit", "happened_at": at.isoformat()}
    receive(house, shop_id, "fulfillment_events/create", parcel | {"city": "Lisbon", "address1": ALICE["street"]}, "a5")
    receive(
        house, shop_id, "checkouts/update", checkout(at + timedelta(minutes=1), token="tok-alice-open-one", quantity=1), "a6"
    )
    with house.begin() as session:
        for name, body in disguises(ALICE["email"]).items():
            builders.store_webhook(session, shop_id, "checkouts/update" if "b" in name else "unused/topic", body, key=name)
        for n, topic in enumerate(("customers/update", "customer.tags_added", "orders/paid")):
            builders.store_webhook(
                session, shop_id, topic, {"customer": {"name": "Alisanda Liddell", "id": ALICE_ID}}, key=f"id {n}"
            )
        builders.store_webhook(session, 0, "customers/redact", redaction(), key="of nobody")
        session.execute(text("UPDATE webhooks SET state = 'ignored' WHERE shop_id = 0"))
        builders.store_webhook(session, shop_id, "unused/topic", {"email": "bob@example.com", "customer_id": 72}, key="b3")
        shop_row = session.get(install.Shop, shop_id)
        customer_id = session.scalar(
            text("SELECT customer_id FROM customer_identities WHERE value = :e"), {"e": ALICE["email"]}
        )
        export.make(session, shop_row, [customer_id], kind="manual", now=now)
        for detail in ({"reason": f"{ALICE['email'].upper()} called"}, {"reason": "Ms Alisanda Liddell asked"}):
            audit.record(
                session, shop_id, actor="cli:sue", action="mail.resolved", object_kind="delivery", object_id=1, detail=detail
            )
        audit.record(
            session, shop_id, actor="cli:sue", action="customer.read", object_kind="customer", object_id=ALICE["email"]
        )
        session.execute(
            text("UPDATE deliveries SET error = '550 ' || recipient, reason = 'refused ' || recipient WHERE id = 1")
        )
    builders.work_off()


def forms(value: str) -> dict[str, bytes]:
    """Return the fixed part of a value in each way it can be written, lower-cased but for base64."""
    raw = value.encode()
    found = {"plain": raw.lower(), "hex": raw.hex().encode(), "url": quote(value, safe="").lower().encode()}
    found["json"] = value.lower().replace("@", "\\u0040").replace("+", "\\u002b").encode()
    for variant in {raw, raw.lower(), raw.upper()}:
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + variant)
            # Without the letters that its neighbours have a part in.
            found[f"base64 {shift} {variant[:3]!r}"] = coded[(0, 2, 3)[shift] : len(variant) * 8 // 6 - 1]
    return found


def everything(house) -> dict[str, bytes]:
    """Dump every table, every key of Redis, and every file in the data folder."""
    found = {}
    with house() as session:
        tables = set(session.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")))
        assert tables >= {t.name for t in Base.metadata.sorted_tables}
        for table in sorted(tables):
            for n, row in enumerate(session.execute(text(f"SELECT * FROM {table}")).mappings()):
                for column, value in row.items():
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else json.dumps(value, default=str).encode()
                    as_text = (
                        value.encode()
                        if isinstance(value, str)
                        else json.dumps(value, default=str, ensure_ascii=False).encode()
                    )
                    found[f"{table}.{column}[{n}]"] = raw + b"\n" + as_text
    client = queues.connect()
    for key in client.scan_iter():
        found[f"redis {key!r}"] = key + b"\n" + (client.dump(key) or b"")
    client.close()
    for path in sorted(p for p in Path(settings().data_dir).rglob("*") if p.is_file()):
        found[f"file {path.name}"] = str(path).encode() + b"\n" + path.read_bytes()
    return found


def hits(held: dict[str, bytes], values: dict[str, str]) -> set[str]:
    """Return where a value is found, in whatever form."""
    folded = {where: raw.lower() for where, raw in held.items()}
    found = set()
    for name, value in values.items():
        for form, needle in forms(value).items():
            within = held if form.startswith("base64") else folded
            found |= {f"{name} as {form} in {where}" for where, raw in within.items() if needle in raw}
    return found


def state_of(house, table: str, where: str) -> list[str]:
    with house() as session:
        return [repr(tuple(r)) for r in session.execute(text(f"SELECT t.* FROM {table} t WHERE {where} ORDER BY t.id"))]


def bob(house) -> dict[str, list[str]]:
    """Everything of Bob's."""
    his = "customer_id = (SELECT customer_id FROM customer_identities WHERE value = 'bob@example.com')"
    tables = (
        "customer_identities",
        "checkouts",
        "orders",
        "deliveries",
        "enrollments",
        "consents",
        "events",
        "purchase_marks",
    )
    return {
        **{table: state_of(house, table, his) for table in tables},
        "customers": state_of(house, "customers", his.replace("customer_id =", "id =", 1)),
        "webhooks": state_of(house, "webhooks", "dedupe_key LIKE 'b_'"),
        "decisions": state_of(house, "decisions", f"enrollment_id IN (SELECT id FROM enrollments WHERE {his})"),
    }


def test_nothing_of_a_redacted_person_is_left_anywhere(shop, logged, capfd, caplog):
    house, shop_id, now = shop
    seed(house, shop_id, now)
    before, bobs = everything(house), bob(house)
    assert {hit.partition(" as plain")[0] for hit in hits(before, ALICE)} >= set(ALICE)
    assert sum(where.startswith("file") for where in before) == 4

    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    after = everything(house)
    said = capfd.readouterr()
    logs = {"logs": (said.out + said.err + caplog.text + "\n".join(logged)).encode()}
    assert any("mail.recorded" in line for line in logged)

    assert hits(after | logs, ALICE) == set()
    assert bob(house) == bobs
    assert all(bobs.values())
    assert sum(where.startswith("file") for where in after) == 2
    assert state_of(house, "erasures", "state <> 'done' OR traces IS NOT NULL OR done_at IS NULL") == []


def test_what_is_left_says_that_something_was_bought(shop):
    house, shop_id, now = shop
    seed(house, shop_id, now)
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    with house() as session:
        checkouts = session.execute(text("SELECT total_minor, lines FROM checkouts WHERE email IS NULL ORDER BY id")).all()
        orders = session.execute(
            text("SELECT total_minor, placed_at IS NOT NULL FROM orders WHERE external_id = :o"), {"o": str(HER_ORDER)}
        ).one()
        consents = session.execute(text("SELECT state, wording, evidence FROM consents WHERE evidence = '{}'")).all()
        reasons = set(
            session.scalars(text("SELECT reason FROM enrollments WHERE episode LIKE 'redacted-%' AND reason IS NOT NULL"))
        )
        webhook = session.execute(
            text("SELECT state, body, headers, error FROM webhooks WHERE dedupe_key = 'the request'")
        ).one()
        suppressed = session.execute(text("SELECT scope, reason, source FROM suppressions")).all()

    assert [(c.total_minor, c.lines[0]["price_minor"], c.lines[0]["title"]) for c in checkouts] == [
        (4800, 2400, ""),
        (2400, 2400, ""),
    ]
    assert tuple(orders) == (4800, True)
    assert len(consents) == 3
    assert all(c.wording is None for c in consents)
    assert "person_gone" in reasons
    assert tuple(webhook) == ("redacted", None, {}, "The person asked to be forgotten.")
    assert [tuple(s) for s in suppressed] == [("all", "manual", "redact")] * 2


def test_redacted_webhook_is_not_replayed_and_not_stored_again(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    receive(house, shop_id, "customers/redact", redaction(), "a2")
    jobs.housekeeping.drain()
    with house.begin() as session:
        for webhook_id in session.scalars(text("SELECT id FROM webhooks")).all():
            with pytest.raises(Refused, match="erased"):
                replay.replay_one(session, shop_id, webhook_id, actor="test", reason="", now=now)
        which = replay.Which(state=replay.WebhookState.IGNORED)
        assert replay.replay_matching(session, shop_id, which, actor="test", reason="", now=now) == 0

    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    assert state_of(house, "webhooks", "body IS NOT NULL") == []


def test_late_news_from_before_the_erasure_is_not_taken_in(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    receive(house, shop_id, "orders/create", order(now), "a2")
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    parcel = {"id": 9, "fulfillment_id": 4041, "order_id": HER_ORDER, "status": "in_transit", "happened_at": now.isoformat()}
    late = {
        "checkouts/update": checkout(now, quantity=3), "orders/updated": order(now), "fulfillment_events/create": parcel,
        "customers/update": CUSTOMER | {"updated_at": now.isoformat()},
        "customers_email_marketing_consent/update": consent(now) | {"email_address": None},
        "unused/topic": {"to": ALICE["email"]}, "checkouts/create": b'{"email": "alice\\u0040example.com", ',
    }  # fmt: skip
    for n, (topic, body) in enumerate(late.items()):
        receive(house, shop_id, topic, body, f"late {n}", triggered_at=now)
    with house() as session:
        ends = session.execute(text("SELECT topic, state, error FROM webhooks WHERE dedupe_key LIKE 'late%'")).all()

    assert {tuple(end) for end in ends} == {(topic, "ignored", "The person asked to be forgotten.") for topic in late}
    assert hits(everything(house), ALICE) == set()


def test_new_beginning_is_taken_in_and_still_not_mailed(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    receive(house, shop_id, "checkouts/update", checkout(now + timedelta(hours=1), token="tok-new"), "a2")
    later(house, hours=3)

    assert state_of(house, "checkouts", "email = 'alice@example.com' AND token = 'tok-new'") != []
    assert builders.ledger(house) == [("reminder", "skipped", "person_gone"), ("reminder", "skipped", "manual")]
    with house.begin() as session:
        session.execute(text("DELETE FROM suppressions"))
    receive(house, shop_id, "checkouts/update", checkout(now + timedelta(hours=4), token="tok-again"), "a3")
    later(house, hours=3)
    assert builders.ledger(house)[2:] == [("reminder", "sent", None)]


def test_all_in_one_batch_ends_the_same(shop):
    house, shop_id, now = shop
    with house.begin() as session:
        builders.store_webhook(session, shop_id, "checkouts/update", checkout(now), key="a1")
        builders.store_webhook(session, shop_id, "customers/redact", redaction(), key="a2")
        builders.store_webhook(session, shop_id, "orders/create", order(now), key="a3")
        builders.store_webhook(session, shop_id, "checkouts/update", bobs_checkout("t-bob", now), key="b1")
    builders.work_off()
    jobs.housekeeping.drain()

    assert hits(everything(house), ALICE) == set()
    assert len(state_of(house, "checkouts", "email = 'bob@example.com'")) == 1


def test_person_of_whom_nothing_is_known_is_suppressed_all_the_same(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    receive(house, shop_id, "checkouts/update", checkout(now - timedelta(minutes=5)), "late", triggered_at=now)

    assert state_of(house, "customers", "true") == []
    assert len(state_of(house, "suppressions", "true")) == 1
    assert hits(everything(house), ALICE) == set()


def test_search_goes_on_where_it_stopped(shop, monkeypatch):
    house, shop_id, _ = shop
    monkeypatch.setattr(bodies, "BATCH", 2)
    with house.begin() as session:
        for n in range(7):
            builders.store_webhook(
                session, shop_id, "unused/topic", {"n": n, "to": ALICE["email"] if n % 2 else "bob@example.com"}, key=f"k{n}"
            )
    builders.work_off()
    real, calls = bodies.sweep, []

    def dies_on_the_second(*args, **named):
        calls.append(named["after"])
        if len(calls) == 2:
            raise OSError("the power went")
        return real(*args, **named)

    monkeypatch.setattr(bodies, "sweep", dies_on_the_second)
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    assert state_of(house, "webhooks", "dedupe_key = 'the request' AND state = 'pending' AND body IS NOT NULL") != []

    builders.skip_clock(house, timedelta(minutes=2))
    jobs.housekeeping.drain()
    assert calls == [0, 2, 2, 4, 6]
    assert len(state_of(house, "webhooks", "state = 'redacted' AND body IS NULL")) == 4
    assert len(state_of(house, "webhooks", "state = 'ignored' AND body IS NOT NULL")) == 4


def test_erasure_that_fails_is_shown_and_goes_on_when_replayed(shop, monkeypatch):
    house, shop_id, now = shop
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    with monkeypatch.context() as broken:
        broken.setattr(bodies, "sweep", lambda *_, **__: 1 / 0)
        for _ in range(6):
            jobs.housekeeping.drain()
            builders.skip_clock(house, timedelta(hours=8))
    with house() as session:
        row = session.execute(text("SELECT id, state, error FROM webhooks")).one()
    assert (row.state, row.error) == ("failed", "The erasure did not end: ZeroDivisionError: division by zero")

    with house.begin() as session:
        replay.replay_one(session, shop_id, row.id, actor="test", reason="mended", now=now)
    builders.work_off()
    jobs.housekeeping.drain()
    assert state_of(house, "webhooks", "state = 'redacted' AND body IS NULL") != []


def test_file_that_cannot_be_deleted_now_is_deleted_later(shop, monkeypatch):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    later(house, hours=2)
    receive(house, shop_id, "customers/redact", redaction(), "the request")

    def refuse(self, key):
        raise Transient("The outbox cannot be written to.")

    with monkeypatch.context() as broken:
        broken.setattr(OutboxTransport, "forget", refuse)
        jobs.housekeeping.drain()
    assert state_of(house, "webhooks", "dedupe_key = 'the request' AND state = 'pending'") != []

    builders.skip_clock(house, timedelta(minutes=1))
    jobs.housekeeping.drain()
    assert list(settings().outbox_dir.glob("*")) == []
    assert state_of(house, "webhooks", "dedupe_key = 'the request' AND state = 'redacted'") != []


def test_mail_that_is_on_its_way_is_waited_for(shop):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    later(house, hours=2)
    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET state = 'sending', lease_until = now() + interval '1 minute'"))
    receive(house, shop_id, "customers/redact", redaction(), "the request")
    jobs.housekeeping.drain()
    assert len(list(settings().outbox_dir.glob("*.eml"))) == 1

    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET state = 'sent', lease_until = NULL"))
    builders.skip_clock(house, timedelta(minutes=1))
    jobs.housekeeping.drain()
    assert list(settings().outbox_dir.glob("*.eml")) == []


@pytest.fixture
def lamp(house, monkeypatch):
    """Lamp Loft, where only the hash of an address is told."""
    monkeypatch.setattr("integrations.woocommerce.platform.mint_coupon", lambda access, spec: "made")
    with house.begin() as session:
        shop_id, _ = builders.lamp_loft(session)
        now = clock.now(session)
    return house, shop_id, now


def companion(now, email=ALICE["email"], token=WOO_TOKEN):
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S")
    names = ADDRESS if email == ALICE["email"] else {"first_name": "Bob", "last_name": "Dobbs"}
    return {
        "token": token, "email": email, "first_name": names["first_name"], "last_name": names["last_name"],
        "currency": "EUR", "status": "open",
        "subtotal": "79.00", "total": "79.00", "created_at_gmt": stamp, "updated_at_gmt": stamp,
        "items": [{"name": "Pebble", "quantity": 1, "price": "79.00", "product_id": 12}],
        "recovery_url": f"https://lamp-loft.example/checkout?cart={token}",
        "consent": {"marketing": True, "at": stamp, "text": "Send me offers"},
    }  # fmt: skip


HASH = {"email_sha256": hashlib.sha256(ALICE["email"].encode()).hexdigest()}


def test_hash_of_an_address_is_enough_to_forget_its_owner(lamp):
    house, shop_id, now = lamp
    woo = {"platform": "woocommerce"}
    receive(house, shop_id, "checkout.updated", companion(now), "a1", **woo)
    receive(house, shop_id, "checkout.updated", companion(now, "bob@example.com", "tok-bob"), "b1", **woo)
    receive(house, shop_id, "unused.topic", {"billing": {"email": ALICE["email"].upper()}}, "a2", **woo)
    later(house, hours=2)
    receive(house, shop_id, "shopper.deleted", HASH, "the request", **woo)
    jobs.housekeeping.drain()

    personal = {name: ALICE[name] for name in ("email", "first name", "last name")} | {"token": WOO_TOKEN}
    assert hits(everything(house), personal | HASH) == set()
    assert len(state_of(house, "checkouts", "email = 'bob@example.com'")) == 1
    assert len(list(settings().outbox_dir.glob("*.eml"))) == 1
    assert len(state_of(house, "suppressions", "source = 'redact'")) == 1


def test_address_that_was_told_as_a_hash_before_it_was_known_is_suppressed_when_it_shows_itself(lamp):
    house, shop_id, now = lamp
    woo = {"platform": "woocommerce"}
    receive(house, shop_id, "shopper.deleted", HASH, "the request", **woo)
    jobs.housekeeping.drain()
    assert state_of(house, "suppressions", "true") == []

    receive(house, shop_id, "checkout.updated", companion(now - timedelta(minutes=5)), "late", triggered_at=now, **woo)
    assert state_of(house, "checkouts", "true") == []
    receive(house, shop_id, "checkout.updated", companion(now + timedelta(hours=1), token="tok-new"), "new", **woo)
    later(house, hours=3)
    assert builders.ledger(house) == [("reminder", "skipped", "manual")]


def test_stored_body_is_found_by_the_hash_of_its_address(lamp):
    house, shop_id, _ = lamp
    receive(house, shop_id, "order.updated", b'{"billing": {"email": "Alice@example.com', "a1", platform="woocommerce")
    receive(house, shop_id, "shopper.deleted", HASH, "the request", platform="woocommerce")
    jobs.housekeeping.drain()

    assert state_of(house, "webhooks", "body IS NOT NULL OR state <> 'redacted'") == []
    assert len(state_of(house, "suppressions", "true")) == 1


def forget_shop(house, shop_id, now):
    receive(
        house, shop_id, "shop/redact", {"shop_id": 1, "shop_domain": builders.TEA_AND_TIN}, "shop request", triggered_at=now
    )
    for _ in range(3):
        jobs.housekeeping.drain()


def test_forgotten_shop_leaves_a_grave_and_nothing_else(shop, monkeypatch):
    from app.services import erasing

    monkeypatch.setattr(erasing, "BATCH", 3)
    house, shop_id, now = shop
    seed(house, shop_id, now)
    with house.begin() as session:
        other, _ = builders.lamp_loft(session)
        builders.store_webhook(
            session, other, "checkout.updated", companion(now, "charlie@example.com"), key="c1", platform="woocommerce"
        )
        clock_now = clock.now(session)
    builders.work_off()
    receive(
        house,
        shop_id,
        "app/uninstalled",
        {"id": 1, "domain": builders.TEA_AND_TIN, "name": "Tea & Tin"},
        "gone",
        triggered_at=clock_now,
    )
    forget_shop(house, shop_id, clock_now)
    with house() as session:
        left = {
            table.name: n
            for table in Base.metadata.sorted_tables
            if "shop_id" in table.columns
            and (n := session.scalar(text(f"SELECT count(*) FROM {table.name} WHERE shop_id = {shop_id}")))
        }
        grave = session.execute(text("SELECT * FROM shops WHERE id = :id"), {"id": shop_id}).mappings().one()
        acts = session.execute(text("SELECT action FROM audit_log WHERE shop_id = :id"), {"id": shop_id}).scalars().all()
        webhook = session.execute(text("SELECT state, body FROM webhooks WHERE shop_id = :id"), {"id": shop_id}).one()

    # What belongs to no shop holds the address of a person of an unknown one; only that person's own request erases it.
    held = {where: raw for where, raw in everything(house).items() if not where.startswith("webhooks.body")}
    assert hits(held, ALICE | {"domain": builders.TEA_AND_TIN, "address": "1 Harbour St"}) == set()
    assert left == {"audit_log": 1, "erasures": 1, "webhooks": 1}
    assert (grave["state"], grave["name"], grave["sender_email"], grave["hash_key"]) == ("uninstalled", "", "", b"")
    assert (acts, tuple(webhook)) == (["shop.erased"], ("redacted", None))
    assert list(settings().outbox_dir.glob("*.eml")) == []
    assert len(state_of(house, "checkouts", f"shop_id = {other}")) == 1


def test_webhook_that_was_stored_while_its_shop_was_erased_is_not_taken_in(shop):
    house, shop_id, now = shop
    forget_shop(house, shop_id, now)
    receive(house, shop_id, "checkouts/update", checkout(now + timedelta(hours=1)), "late")
    receive(house, shop_id, "customers/redact", redaction(), "later")

    assert state_of(house, "checkouts", "true") == []
    assert len(state_of(house, "webhooks", "state = 'ignored' AND body IS NULL")) == 2


@pytest.mark.parametrize("hours", [-24 * 31, 1])
def test_shop_that_was_connected_again_is_not_erased(shop, hours):
    house, shop_id, now = shop
    receive(house, shop_id, "checkouts/update", checkout(now), "a1")
    at = now + timedelta(hours=hours)
    if hours > 0:  # removed two days ago, connected again an hour ago, and the request comes now
        with house.begin() as session:
            session.execute(text("UPDATE shops SET installed_at = :at"), {"at": now})
    forget_shop(house, shop_id, at)
    with house() as session:
        row = session.execute(text("SELECT state, error FROM webhooks WHERE dedupe_key = 'shop request'")).one()

    assert tuple(row) == ("ignored", "The shop was connected again since.")
    assert len(state_of(house, "checkouts", "email IS NOT NULL")) == 1


def test_forgotten_shop_can_come_back_as_a_new_one(shop):
    house, shop_id, now = shop
    forget_shop(house, shop_id, now)
    with house.begin() as session:
        new_id = builders.tea_and_tin(session)
    receive(house, new_id, "checkouts/update", checkout(now), "a1")

    assert new_id != shop_id
    assert len(state_of(house, "checkouts", "email IS NOT NULL")) == 1


TRACES = Traces(emails=("alice@example.com",), customer_ids=("71",), order_ids=("9",), tokens=("t1",))


@pytest.mark.parametrize("body", disguises("Alice@Example.com").values(), ids=disguises("x").keys())
def test_trace_is_found_in_every_disguise(body):
    assert TRACES.are_in(body)


@pytest.mark.parametrize(
    ("topic", "body", "expected"),
    [
        ("orders/create", b'{"customer": {"default_address": {"id": 1}, "id": 71}}', True),
        ("orders/create", b'{"customer_id": "71"}', True),
        ("customer.tags_added", b'{"customerId": "gid:\\/\\/shopify\\/Customer\\/71"}', True),
        ("customers/update", b'{"id": 71}', True),
        ("customer.deleted", b'{"id":71}', True),
        ("orders/updated", b'{"id": 9}', True),
        ("fulfillments/create", b'{"id": 5, "order_id": 9}', True),
        ("carts/update", b'{"token": "t1"}', True),
        ("products/update", b'{"id": 71}', False),
        ("orders/create", b'{"customer": {"id": 711}, "total": 71}', False),
        ("orders/create", b'{"customer": {}, "line": {"id": 71}}', False),
        ("orders/create", b'{"email": "malice@example.com"}', False),
        ("orders/create", b'{"email": "alice@example.com.au"}', False),
        ("orders/create", b'{"email": "x.alice@example.com"}', False),
    ],
)
def test_trace_is_found_where_it_is_the_persons_and_nowhere_else(topic, body, expected):
    assert TRACES.are_in(body, topic) == expected


def test_stored_traces_read_back():
    assert Traces.from_json(TRACES.to_json()) == TRACES


def test_outbox_forgets_as_often_as_it_is_asked(tmp_path):
    outbox = OutboxTransport(tmp_path, lambda: None)
    (tmp_path / "7.eml").write_text("mail")
    for _ in range(2):
        outbox.forget("7")

    assert list(tmp_path.iterdir()) == []
