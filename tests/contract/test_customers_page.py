"""The customers' pages: found by address or name, one person's whole story in pages, and what a merchant may stop."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.db import tenant_session
from app.models import (
    AuditRow,
    Customer,
    CustomerIdentity,
    DecisionRow,
    Delivery,
    Enrollment,
    Order,
    ScheduledStep,
    Suppression,
)
from app.services import customers, snapshots, timeline
from app.services.timeline import Kind, Place
from tests.admin_cast import Cast, client_of, seed
from tests.people_cast import HOUR, Shopper, busy_shopper, known_person, pending_mail, waiting_run

LIST = "/admin/customers"


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def zoe(house: sessionmaker[Session], cast: Cast) -> Shopper:
    with house.begin() as session:
        return busy_shopper(session, cast.tea, cast.now)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    return client_of(house, cast.tea)


def listed(page: str) -> list[str]:
    return re.findall(r'class="topic" href="/admin/customers/(\d+)"', page)


def search(client: FlaskClient, q: str) -> str:
    return client.post(LIST, data={"q": q}).text


def test_a_person_is_listed_with_consent_orders_money_and_last_order(client, zoe):
    row = re.search(rf'<tr>(?:(?!</tr>).)*customers/{zoe.id}".*?</tr>', client.get(LIST).text, re.DOTALL)

    assert row is not None
    assert [word in row[0] for word in ("zoe@example.com", "Zoé Ångström", "Agreed", "$50.00", ">1</td>")] == [True] * 5


def test_what_the_shop_says_somebody_spent_goes_before_our_own_sum(house, client, zoe):
    with house.begin() as session:
        session.scalars(select(Customer).where(Customer.id == zoe.id)).one().spent_minor = 123_456

    assert "$1,234.56" in client.get(f"{LIST}/{zoe.id}").text


@pytest.mark.parametrize(
    "q", ["zoe@", "ZOE@Example.com", "  zoe@example.com ", "zoé", "Ångs", "zoé ångström", "ZOÉ Å", "Zoé"]
)
def test_people_are_found_by_the_beginning_of_address_or_name(client, zoe, q):
    assert listed(search(client, q)) == [str(zoe.id)]


@pytest.mark.parametrize("q", ["z", "%", "__", "oe@example", "zoe@example.com' OR 1=1", "zoé x", "\\", "x\0y"])
def test_what_fits_nobody_finds_nobody_and_what_was_typed_stays(client, zoe, q):
    page = search(client, q)

    assert (listed(page), "Nobody fits" in page) == ([], True)
    assert 'value=""' not in re.findall(r'<input[^>]*id="q"[^>]*>', page)[0]


def test_a_search_shows_so_many_and_says_that_there_are_more(house, client, cast, monkeypatch):
    monkeypatch.setattr(customers, "FOUND_MOST", 2)
    with house.begin() as session:
        for n in range(3):
            known_person(session, cast.tea, f"many{n}@example.com", cast.now, first_name="Many")
    page = search(client, "many")

    assert (len(listed(page)), "More people fit" in page) == (2, True)


MANY = (
    """INSERT INTO customers (shop_id, email, first_name, last_name)
    SELECT :shop, 'p' || n || '@example.com', md5(n::text), md5((-n)::text) FROM generate_series(1, 20000) n""",
    """INSERT INTO customer_identities (shop_id, kind, value, customer_id)
    SELECT shop_id, 'email', email, id FROM customers WHERE email LIKE 'p%'""",
    "ANALYZE customers",
    "ANALYZE customer_identities",
)


def test_a_search_walks_an_index_for_each_way_that_words_may_lead_also_behind_the_wall(house, cast):
    """I10: the planner takes no index for what might tell a shop of another one's rows, so it is asked as the shop."""
    with house.begin() as session:
        for statement in MANY:
            session.execute(text(statement), {"shop": cast.tea} if ":shop" in statement else {})
    with tenant_session(cast.tea) as session:
        asked = [query.limit(50).compile(session.bind) for query in customers._ways(cast.tea, "zoe an")]
        plans = ["\n".join(session.connection().exec_driver_sql(f"EXPLAIN {a}", a.params).scalars()) for a in asked]

    wanted = ("ix_customer_identities_prefix", "ix_customers_first_name", "ix_customers_last_name", "ix_customers_")
    assert [name for name, plan in zip(wanted, plans, strict=True) if name not in plan] == []
    assert [plan for plan in plans if "Seq Scan" in plan] == []


def test_the_list_pages_by_id_and_meets_everybody_once(house, client, cast, monkeypatch):
    monkeypatch.setattr(customers, "PAGE", 2)
    with house() as session:
        everybody = {str(i) for i in session.scalars(select(Customer.id).where(Customer.shop_id == cast.tea))}
    met, url = [], LIST
    while url:
        page = client.get(url).text
        met += listed(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = older[1].replace("&amp;", "&") if older else None

    assert (len(met), set(met)) == (len(everybody), everybody)


def test_an_empty_shop_is_taught_where_people_come_from(house):
    from tests.admin_cast import two_shops

    with house.begin() as session:
        tea, _, _ = two_shops(session)
    page = client_of(house, tea.id).get(LIST).text

    assert "Nobody yet" in page
    assert "/admin/health" in page


def test_a_timeline_holds_all_kinds_newest_first_and_no_robots(client, house, cast, zoe):
    with house() as session:
        page = timeline.page(session, cast.tea, zoe.id)
    kinds = [entry.kind for entry in page.entries]

    assert kinds == [
        Kind.ANSWER, Kind.PARCEL, Kind.ORDER, Kind.CLICK, Kind.MAIL, Kind.DECISION, Kind.CHECKOUT, Kind.CONSENT,
    ]  # fmt: skip
    page_text = client.get(f"{LIST}/{zoe.id}").text
    assert all(word in page_text for word in ("Lovely", "Parcel delivered", "#1001", "tea.example/mug", "Send me offers"))


def test_a_timeline_pages_and_meets_rows_of_one_instant_once(house, cast, zoe, monkeypatch):
    with house.begin() as session:
        session.execute(
            text("UPDATE answers SET answered_at = (SELECT min(sent_at) FROM deliveries WHERE id = :m)"), {"m": zoe.mail}
        )
        session.execute(
            text("UPDATE engagements SET at = (SELECT min(sent_at) FROM deliveries WHERE id = :m)"), {"m": zoe.mail}
        )
    monkeypatch.setattr(timeline, "PAGE", 1)
    met, before = [], None
    with house() as session:
        while True:
            page = timeline.page(session, cast.tea, zoe.id, before=before)
            met += [(entry.kind, entry.place.id) for entry in page.entries]
            if page.older is None:
                break
            before = Place.read(str(page.older))

    assert (len(met), len(set(met))) == (zoe.entries, zoe.entries)


@pytest.mark.parametrize("kind", list(Kind))
def test_a_timeline_of_one_kind(client, zoe, kind):
    page = client.get(f"{LIST}/{zoe.id}?kind={kind}").text

    assert len(re.findall(r"<li class=\"(?:ok|bad|next)\">", page.partition('class="stack wide"')[0])) == 1


@pytest.mark.parametrize("before", ["x", "1-2", "1-9-1", "-1-0-1", "99999999999999999999-0-1", "\u0661-0-1"])
def test_a_place_that_is_nonsense_shows_the_newest(client, zoe, before):
    assert "Lovely" in client.get(f"{LIST}/{zoe.id}?before={before}").text


def test_a_person_page_tells_consent_with_source_wording_proof_and_what_stops_mail(house, client, cast, zoe):
    from app import crypto
    from app.models import Shop

    with house.begin() as session:
        shop = session.get_one(Shop, cast.tea)
        address = crypto.hash_email(snapshots.hash_key(shop), "zoe@example.com")
        session.add(Suppression(shop_id=cast.tea, email_hash=address, scope="all", reason="bounced", source="smtp"))
    page = client.get(f"{LIST}/{zoe.id}").text

    assert all(
        word in page
        for word in (
            "ticked at a checkout",
            "“Send me offers”",
            "cart-x",
            "Their address does not take mail",
            "no mail at all",
        )
    )


def test_an_address_that_unsubscribed_counts_for_the_person(house, client, cast, zoe):
    with house.begin() as session:
        session.add(
            CustomerIdentity(
                shop_id=cast.tea, kind="email", value="other@example.com", customer_id=zoe.id, consent_state="unsubscribed",
                consent_at=cast.now, refused_at=cast.now,
            )
        )  # fmt: skip

    assert "Unsubscribed" in client.get(LIST).text


def test_planned_mails_are_told_with_their_times(house, client, cast):
    with house.begin() as session:
        person = known_person(session, cast.tea, "plan@example.com", cast.now)
        waiting_run(session, cast.tea, person, cast.now, token="plan")
        person_id = person.id
    page = client.get(f"{LIST}/{person_id}").text
    came = re.findall(r"<b>(\w+)</b> <span class=\"num\">· <time datetime=\"([^\"]+)\"", page)

    wanted = [("Reminder", cast.now + HOUR), ("Coupon", cast.now + 24 * HOUR)]
    assert came == [(name, at.isoformat(timespec="seconds")) for name, at in wanted]


def test_a_planned_mail_that_will_not_go_says_why(house, client, cast):
    with house.begin() as session:
        person = known_person(session, cast.tea, "held@example.com", cast.now)
        waiting_run(session, cast.tea, person, cast.now, token="held").arm = "holdout"
        person_id = person.id
    page = client.get(f"{LIST}/{person_id}").text

    assert page.count("Will not be sent: They are in the comparison group, which gets no mail") == 2
    assert "Comparison group" in page


def stop(client: FlaskClient, person: int, run: int) -> str:
    return client.post(f"{LIST}/{person}/runs/{run}/stop", follow_redirects=True).text


def test_stopping_leaves_the_flow_skips_the_mail_and_says_who(house, client, cast, zoe):
    """I16: the row that says why a mail was not sent names who stopped it, and it is audited."""
    page = stop(client, zoe.id, zoe.run)
    with house() as session:
        run = session.scalars(select(Enrollment).where(Enrollment.id == zoe.run)).one()
        mails = select(Delivery.step, Delivery.reason).where(Delivery.enrollment_id == zoe.run, Delivery.state == "skipped")
        skipped = session.execute(mails).all()
        decisions = select(DecisionRow).where(DecisionRow.enrollment_id == zoe.run).order_by(DecisionRow.id.desc())
        decision = session.scalars(decisions).first()
        steps = session.scalars(select(ScheduledStep.state).where(ScheduledStep.enrollment_id == zoe.run)).all()
        audited = session.execute(select(AuditRow.actor, AuditRow.object_id).where(AuditRow.action == "run.stopped")).all()

    assert (run.state, run.reason, steps) == ("exited", "stopped", ["done"])
    assert [tuple(row) for row in skipped] == [("reminder", "stopped")]
    assert (decision.because, decision.saw["stopped_by"]) == ("stopped", "merchant")
    assert [tuple(row) for row in audited] == [("merchant", str(zoe.run))]
    assert "Nothing more of it is sent." in page
    assert "Stopped by" in page


def test_a_mail_that_waits_in_the_ledger_is_stopped_and_its_lease_is_broken(house, client, cast, zoe):
    """The fence moves, so that the worker who prepares the mail at this moment can write nothing any more (I5)."""
    with house.begin() as session:
        run = session.scalars(select(Enrollment).where(Enrollment.id == zoe.run)).one()
        mail = pending_mail(session, run, "reminder", cast.now)
        mail.lease_until, mail.fence, mail_id = cast.now + HOUR, 7, mail.id
    stop(client, zoe.id, zoe.run)
    with house() as session:
        mail = session.scalars(select(Delivery).where(Delivery.id == mail_id)).one()

    assert (mail.state, mail.reason, mail.fence, mail.lease_until) == ("skipped", "stopped", 8, None)


def test_a_mail_that_is_being_handed_over_is_not_claimed_to_be_stopped(house, client, cast, zoe):
    """D7: what was claimed before the stop goes; the page says so and its row stays as it is."""
    with house.begin() as session:
        run = session.scalars(select(Enrollment).where(Enrollment.id == zoe.run)).one()
        mail_id = pending_mail(session, run, "reminder", cast.now, state="sending").id
    page = stop(client, zoe.id, zoe.run)
    with house() as session:
        state = session.scalars(select(Delivery.state).where(Delivery.id == mail_id)).one()

    assert state == "sending"
    assert "“Reminder” was being handed over already and may still arrive." in page


def test_what_is_over_is_not_stopped_twice(house, client, zoe):
    stop(client, zoe.id, zoe.run)
    page = stop(client, zoe.id, zoe.run)
    with house() as session:
        audited = session.scalars(select(AuditRow.id).where(AuditRow.action == "run.stopped")).all()

    assert ("it is over already" in page, len(audited)) == (True, 1)


def test_the_last_mail_of_a_finished_run_can_be_stopped(house, client, cast):
    with house.begin() as session:
        person = known_person(session, cast.tea, "last@example.com", cast.now)
        run = waiting_run(session, cast.tea, person, cast.now, token="last")
        session.execute(text("UPDATE scheduled_steps SET state = 'done' WHERE enrollment_id = :r"), {"r": run.id})
        run.state, run.ended_at = "finished", cast.now
        mail_id = pending_mail(session, run, "coupon", cast.now + HOUR).id
        ids = person.id, run.id
    assert "Stop Abandoned cart for this person" in client.get(f"{LIST}/{ids[0]}").text
    stop(client, *ids)
    with house() as session:
        told = session.execute(select(Delivery.state, Delivery.reason).where(Delivery.id == mail_id)).one()

    assert tuple(told) == ("skipped", "stopped")


def test_a_stop_waits_for_whoever_holds_the_person(house, cast, zoe):
    """D6: the subject lock is shared with the claim of a send; who comes second sees what the first did."""
    from sqlalchemy.exc import OperationalError

    from app.models import Shop
    from app.services import people, stopping

    with house.begin() as first:
        people.lock(first, cast.tea, [zoe.id])
        with house() as second:
            second.execute(text("SET LOCAL lock_timeout = '100ms'"))
            shop = second.get_one(Shop, cast.tea)
            with pytest.raises(OperationalError, match="lock timeout"):
                stopping.stop_run(second, shop, zoe.id, zoe.run, actor="merchant", now=cast.now)


def test_another_shops_people_and_runs_are_as_unknown_as_those_that_never_were(house, client, cast, zoe):
    """I10: a foreign id answers like an unknown one, and nothing of it changes."""
    with house.begin() as session:
        foreign = busy_shopper(session, cast.lamp, cast.now)
    paths = [("get", ""), ("get", "/why?flow=abandoned_cart"), ("post", f"/runs/{foreign.run}/stop")]
    answers = {}
    for person in (foreign.id, 99_999_999, 2**63 - 1):
        answers[person] = [getattr(client, how)(f"{LIST}/{person}{path}").status_code for how, path in paths]
    mine_theirs = client.post(f"{LIST}/{zoe.id}/runs/{foreign.run}/stop").status_code
    with house() as session:
        state = session.scalars(select(Enrollment.state).where(Enrollment.id == foreign.run)).one()

    assert list(answers.values()) == [[404, 404, 404]] * 3
    assert (mine_theirs, state) == (404, "active")
    assert len(listed(search(client, "zoe@example.com"))) == 1


def test_a_mail_leads_to_its_person_and_back(client, zoe):
    assert f"/admin/customers/{zoe.id}" in client.get(f"/admin/mails/{zoe.mail}").text
    assert f"/admin/mails/{zoe.mail}" in client.get(f"{LIST}/{zoe.id}").text


def test_orders_that_do_not_count_are_no_money(house, client, cast, zoe):
    with house.begin() as session:
        order = session.scalars(select(Order).where(Order.external_id == zoe.order)).one()
        order.cancelled_at = cast.now + timedelta(minutes=1)
    page = client.get(f"{LIST}/{zoe.id}").text

    assert "No order yet" in page
