"""The proof finds what it is for: each broken promise is planted here, behind the back of the code that keeps it."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select, text, update

from app import clock
from app.cli import cli
from app.models import ConsentRow, Delivery, Enrollment, MailRules, PurchaseMark
from app.services import proof, signin
from tests import builders

HOUR = timedelta(hours=1)


@pytest.fixture
def sent(house, monkeypatch):
    """Alice left a cart at Tea & Tin and got both mails."""
    monkeypatch.setattr("integrations.shopify.platform.mint_coupon", lambda access, spec: f"gid://coupon/{spec.code}")
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
        body = builders.checkout_body("t1", clock.now(session))
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="w1")
    builders.work_off()
    for wait in (1, 24):
        builders.skip_clock(house, timedelta(hours=wait, minutes=1))
        builders.work_off()
    return shop_id


def prove(house, shop_id: int | None = None) -> proof.Proof:
    with house.begin() as session:
        until = signin.real_now(session) + HOUR
        return proof.prove(session, since=until - 2 * HOUR, until=until, shop_id=shop_id)


def test_an_honest_ledger_proves_itself(house, sent):
    found = prove(house)

    assert (found.due, found.states) == (2, {"sent": 2})
    assert found.holds
    assert (found.unknown.mails, found.doubles.ids) == (0, [])


def test_a_mail_to_somebody_whose_order_was_known_is_found(house, sent):
    """I6: a purchase that was marked before the claim."""
    with house.begin() as session:
        run = session.scalars(select(Enrollment)).one()
        first = session.scalars(select(Delivery).order_by(Delivery.id).limit(1)).one()
        session.add(
            PurchaseMark(
                shop_id=sent, order_external_id="1", customer_id=run.customer_id, ordered_at=clock.now(session),
                marked_at=first.claimed_at + timedelta(microseconds=1),
            )
        )  # fmt: skip
        second = session.scalars(select(Delivery.id).order_by(Delivery.id.desc()).limit(1)).one()

    found = prove(house)

    assert found.after_purchase.ids == [second]
    assert not found.holds


def test_a_mail_to_somebody_who_had_said_no_is_found(house, sent):
    """I7: the newest statement at the claim was a no."""
    with house.begin() as session:
        session.execute(update(ConsentRow).values(state="unsubscribed"))

    assert prove(house).without_consent.mails == 2


def test_a_no_that_came_after_the_mail_is_no_fault(house, sent):
    with house.begin() as session:
        yes = session.scalars(select(ConsentRow)).one()
        session.add(
            ConsentRow(
                shop_id=sent, customer_id=yes.customer_id, email_hash=yes.email_hash, state="unsubscribed",
                at=clock.now(session), source="link",
            )
        )  # fmt: skip

    assert prove(house).without_consent.mails == 0


def test_one_mail_twice_is_found(house, sent):
    """I5: two runs of one episode, as only a fault of ours or a hand in the database could make them."""
    with house.begin() as session:
        session.execute(text("DROP INDEX uq_enrollments_episode"))
        try:
            session.execute(
                text(
                    "INSERT INTO enrollments (shop_id, flow, version, subject_key, episode, customer_id, arm, entered_at) "
                    "SELECT shop_id, flow, version, subject_key, episode, customer_id, arm, entered_at FROM enrollments"
                )
            )
            again = session.scalar(select(func.max(Enrollment.id)))
            first, _ = session.scalars(select(Delivery).order_by(Delivery.id)).all()
            session.execute(
                text(
                    "INSERT INTO deliveries (shop_id, enrollment_id, flow, step, customer_id, recipient, token, state, "
                    "due_at, step_due_at, created_at, claimed_at) SELECT shop_id, :again, flow, step, customer_id, "
                    "recipient, '\\x0123456789abcdef0123456789abcdef', state, due_at, step_due_at, created_at, claimed_at "
                    "FROM deliveries WHERE id = :first"
                ),
                {"again": again, "first": first.id},
            )
            until = signin.real_now(session) + HOUR
            found = proof.prove(session, since=until - 2 * HOUR, until=until)
        finally:
            session.rollback()

    assert found.doubles.mails == 1
    assert not found.holds


def test_a_shops_proof_looks_at_that_shop_alone(house, sent):
    with house.begin() as session:
        other, _ = builders.lamp_loft(session)

    assert (prove(house, sent).due, prove(house, other).due) == (2, 0)


def test_the_command_says_it_and_its_exit_code_too(house, sent):
    good = CliRunner().invoke(cli, ["proof", "--since", "1h", "--json"])
    with house.begin() as session:
        session.execute(update(ConsentRow).values(state="unsubscribed"))
    bad = CliRunner().invoke(cli, ["proof", "--json"])

    told = json.loads(good.stdout)
    assert (good.exit_code, told["due"], told["sent"], told["holds"]) == (0, 2, 2, True)
    assert "Mails checked: 2 of 2" in good.stderr
    assert (bad.exit_code, json.loads(bad.stdout)["without_consent"]["mails"]) == (3, 2)


@pytest.mark.parametrize(("word", "found"), [("unsubscribed", 2), ("none", 0)])
def test_where_a_shop_mails_everybody_who_did_not_refuse_only_a_refusal_counts(house, sent, word, found):
    with house.begin() as session:
        session.add(MailRules(shop_id=sent, mode="anyone", acknowledged_by="merchant", acknowledged_at=clock.now(session)))
        session.execute(update(ConsentRow).values(state=word))

    assert prove(house).without_consent.mails == found


def test_a_mail_that_answers_an_order_needs_no_consent(house, sent):
    with house.begin() as session:
        session.execute(update(Delivery).values(flow="post_purchase", message_class="transactional"))
        session.execute(update(ConsentRow).values(state="unsubscribed"))

    assert prove(house).without_consent.mails == 0


def test_a_refusal_that_only_the_shop_took_back_stands(house, sent):
    """I7: a list of the shop's says yes after the shopper said no through us; the mail should not have gone."""
    with house.begin() as session:
        yes = session.scalars(select(ConsentRow)).one()
        known = {"shop_id": sent, "customer_id": yes.customer_id, "email_hash": yes.email_hash}
        early = session.scalar(select(func.min(Delivery.claimed_at))) - timedelta(seconds=9)
        session.add(ConsentRow(state="unsubscribed", at=yes.at + HOUR, source="one_click", recorded_at=early, **known))
        session.add(ConsentRow(state="subscribed", at=yes.at + 2 * HOUR, source="platform", recorded_at=early, **known))

    assert prove(house).without_consent.mails == 2
