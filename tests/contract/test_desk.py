"""The desk: staff find what failed, foretell and replay it, settle unknown mails, and leave a trace of every look."""

import re
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from app import clock
from app.models import AuditRow, Base, Customer, DecisionRow, Delivery, Replay, Role, Staff, Webhook
from app.services import signin, staff
from jobs import housekeeping
from tests import builders
from tests.admin_cast import Cast, seed
from tests.people_cast import busy_shopper

PAGES = (
    "/support/", "/support/webhooks", "/support/webhooks?state=failed&topic=checkouts/create&q=x", "/support/replays",
    "/support/mails", "/support/mails?state=unknown", "/support/people", "/support/proof", "/support/proof?days=30",
    "/support/audit", "/support/staff",
)  # fmt: skip
NEEDS = {"/support/people": Role.SUPPORT, "/support/audit": Role.SUPPORT, "/support/staff": Role.ADMIN}


@pytest.fixture
def cast(house) -> Cast:
    return seed(house)


@pytest.fixture
def app(house, cast):
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def signed_in(house, app, role: Role):
    """A client of somebody with this role."""
    with house.begin() as session:
        token = staff.invite(session, f"{role}@example.com", role, actor="test", now=signin.real_now(session))
    client = app.test_client()
    assert client.post(f"/support/sign-in/{token}").status_code == 303
    return client


@pytest.fixture
def desk(house, app):
    return signed_in(house, app, Role.SUPPORT)


def person(house, cast) -> str:
    with house() as session:
        found = session.scalars(select(Customer).where(Customer.shop_id == cast.tea).order_by(Customer.id).limit(1)).one()
    return f"/support/people/{found.shop_id}/{found.id}"


def pages(house, cast) -> list[str]:
    rows = [f"/support/webhooks/{i}" for i in [*cast.webhooks.values(), cast.lamp_webhook]]
    return [*PAGES, *rows, *(f"/support/mails/{i}" for i in cast.mails.values()), person(house, cast)]


@pytest.mark.parametrize("role", list(Role))
def test_each_page_opens_for_the_roles_it_is_for_and_no_others(house, app, cast, role):
    """I10: a role that a page is not for is refused, whatever the page shows."""
    client = signed_in(house, app, role)

    for path in pages(house, cast):
        needed = NEEDS.get(path.partition("?")[0], Role.VIEWER)
        assert client.get(path).status_code == (200 if role.includes(needed) else 403), path


def test_nobody_else_comes_in(house, app, cast):
    """I10: without a session, with a merchant's, and with that of somebody who was shut out, every page leads out."""
    stranger, merchant = app.test_client(), app.test_client()
    with merchant.session_transaction() as session:
        session.update(shop_ids=[cast.tea], shop_id=cast.tea)
    gone = signed_in(house, app, Role.SUPPORT)
    with house.begin() as session:
        session.execute(update(Staff).values(disabled_at=func.now()))

    for client in (stranger, merchant, gone):
        for path in pages(house, cast):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (302, "/support/signed-out"), path


def test_a_session_of_the_desk_opens_no_merchants_page(desk, cast):
    assert desk.get("/admin/flows").headers["Location"] == "/admin/signed-out"


@pytest.mark.parametrize(
    "path", ["/support/replays", "/support/webhooks/1/payload", "/support/people", "/support/mails/1/resolution"]
)
def test_a_viewer_changes_nothing(house, app, cast, path):
    client = signed_in(house, app, Role.VIEWER)

    assert client.post(path).status_code == 403


def test_looking_changes_nothing(house, app, cast):
    """I14: GET shows, and nothing else."""
    client = signed_in(house, app, Role.ADMIN)

    def everything() -> dict[str, int]:
        with house() as session:
            return {
                t.name: session.scalar(text(f"SELECT coalesce(sum(hashtext(t::text)::bigint), 0) FROM {t.name} t"))
                for t in Base.metadata.sorted_tables
            }

    before = everything()
    for path in pages(house, cast):
        client.get(path)

    assert everything() == before


def test_people_are_masked_until_somebody_asks_and_that_is_on_record(house, desk, cast):
    """I13: no page names a person by itself; a look that does is an audit row."""
    failed = f"/support/webhooks/{cast.webhooks['failed']}"
    for path in pages(house, cast):
        if path not in NEEDS:
            assert not re.search(r"(maya\.okafor|shopper\d*|alice)@example\.com", desk.get(path).text), path

    shown = desk.post(f"{failed}/payload").text
    who = desk.post(person(house, cast)).text
    assert "maya.okafor@example.com" in shown
    with house() as session:
        email = session.scalars(select(Customer.email).where(Customer.shop_id == cast.tea).order_by(Customer.id)).first()
        acts = set(session.execute(select(AuditRow.action, AuditRow.actor)).all())
    assert email in who
    assert {("webhook.revealed", "staff:1"), ("customer.read", "staff:1")} <= acts


def test_the_desk_says_why_not_as_the_merchants_page_does_and_names_nobody(house, desk, cast):
    with house.begin() as session:
        zoe = busy_shopper(session, cast.tea, cast.now)
    page = desk.get(f"/support/people/{cast.tea}/{zoe.id}/why?flow=vip").text

    assert ("The flow is paused: nobody enters it." in page, "1 order, $50.00" in page) == (True, True)
    assert "zoe@example.com" not in page
    assert f"/people/{cast.tea}/{zoe.id}/why?flow=vip" in desk.get(f"/support/people/{cast.tea}/{zoe.id}").text
    paths = (f"{cast.tea}/{zoe.id}/why?flow=x", f"{cast.lamp}/{zoe.id}/why?flow=vip", f"{cast.tea}/99999/why?flow=vip")
    assert [desk.get(f"/support/people/{path}").status_code for path in paths] == [404] * 3


def test_a_decision_that_saw_money_is_shown_in_the_shops_currency(house, desk, cast):
    """The desk has no shop of its own: a decision about what somebody spent used to break its page."""
    with house.begin() as session:
        zoe = busy_shopper(session, cast.tea, cast.now)
        decision = session.scalars(select(DecisionRow).where(DecisionRow.enrollment_id == zoe.run)).one()
        decision.saw = {"year_orders": 2, "year_spent_minor": 12_300}

    assert "2 orders, $123.00" in desk.get(f"/support/people/{cast.tea}/{zoe.id}").text
    assert "2 orders, $123.00" in desk.get(f"/support/mails/{zoe.mail}").text


@pytest.fixture
def cart(house, cast):
    """Two webhooks about one cart of Ada's at Tea & Tin; the newer one failed for good before it was ever read."""
    with house.begin() as session:
        now = clock.now(session)
        older, newer = (builders.checkout_body("t-ada", now + timedelta(seconds=n), email="ada@example.com") for n in (0, 9))
        builders.store_webhook(session, cast.tea, "checkouts/update", older, key="ada-1")
    builders.work_off()
    with house.begin() as session:
        newer = newer | {"subtotal_price": "21.75"}
        builders.store_webhook(session, cast.tea, "checkouts/update", newer, key="ada-2")
        session.execute(update(Webhook).where(Webhook.dedupe_key == "ada-2").values(state="failed", error="a bug"))
        keys = dict(session.execute(select(Webhook.dedupe_key, Webhook.id)).all())
    return keys["ada-1"], keys["ada-2"]


@pytest.mark.parametrize("way", ["its own number", "t-ada", "ada@example.com", " ADA@example.com "])
def test_a_webhook_is_found_by_what_people_know(desk, cart, way):
    words = str(cart[0]) if way == "its own number" else way

    assert f'href="/support/webhooks/{cart[0]}"' in desk.get("/support/webhooks", query_string={"q": words}).text


def test_a_search_that_fits_nothing_says_what_leads_somewhere(desk):
    assert "all lead to one" in desk.get("/support/webhooks?q=nobody@example.com").text


def test_failed_webhooks_are_foretold_then_replayed(house, desk, cast):
    """I16: dry run, effects on the page, then the replay, with who and why kept."""
    failed = cast.webhooks["failed"]
    answer = desk.post("/support/replays", data={"id": failed, "do": "forecast"})
    page = answer.headers["Location"]
    waiting = desk.get(page).text
    housekeeping.drain()
    told = desk.get(page).text
    with house() as session:
        still = session.scalar(select(Webhook.state).where(Webhook.id == failed))

    assert ("looks again by itself" in waiting, still) == (True, "failed")
    assert "If you replay it now" in told
    refused = desk.post(f"{page}/go", data={"reason": " "})
    assert (refused.status_code, "Say why" in refused.text) == (422, True)
    done = desk.post(f"{page}/go", data={"reason": "mended"}).headers["Location"]
    housekeeping.drain()
    assert "1 was set due" in desk.get(done).text
    with house() as session:
        assert session.scalar(select(Webhook.state).where(Webhook.id == failed)) == "pending"
        actions = Counter(session.scalars(select(AuditRow.action).where(AuditRow.actor == "staff:1")))
    assert actions["webhook.replayed"] == actions["replay.asked"] == actions["replay.foretold"] == 1


def test_a_replay_can_be_stopped_and_one_that_is_over_cannot(house, desk, cast):
    page = desk.post("/support/replays", data={"do": "replay", "reason": "x"}).headers["Location"]
    desk.post(f"{page}/stop")
    housekeeping.drain()

    assert "Stopped" in desk.get(page).text
    assert desk.post(f"{page}/stop").status_code == 422
    with house() as session:
        assert session.scalar(select(Replay.done)) == 0


def test_nonsense_in_a_choice_is_refused_with_words(desk):
    for given in ({"state": "no"}, {"since": "yesterday"}, {"topic": "no/such"}, {"state": "done"}):
        answer = desk.post("/support/replays", data={"do": "forecast", **given})

        assert answer.status_code == 422, given


def test_an_unknown_mail_is_settled_with_a_reason(house, desk, cast):
    """D7: only a person's word, with the reason kept, settles it."""
    unknown = f"/support/mails/{cast.mails['unknown']}"
    without = desk.post(f"{unknown}/resolution", data={"as": "sent", "reason": ""})
    desk.post(f"{unknown}/resolution", data={"as": "sent", "reason": "the provider lists it"})
    again = desk.post(f"{unknown}/resolution", data={"as": "not-sent", "reason": "no"})

    assert (without.status_code, again.status_code) == (422, 422)
    with house() as session:
        assert session.scalar(select(Delivery.state).where(Delivery.id == cast.mails["unknown"])) == "sent"


def test_a_person_is_found_by_the_whole_address_and_never_through_a_link(house, desk, cast):
    with house() as session:
        email = session.scalars(
            select(Customer.email).where(Customer.shop_id == cast.tea, Customer.email.is_not(None))
        ).first()

    assert email in desk.post("/support/people", data={"q": email}).text
    assert "No shop knows" in desk.post("/support/people", data={"q": email[:5]}).text
    assert email not in desk.get(f"/support/people?q={email}").text


def test_an_admin_invites_by_a_link_that_is_shown_once_and_shuts_out(house, app, cast):
    admin = signed_in(house, app, Role.ADMIN)
    page = admin.post("/support/staff", data={"email": "new@example.com", "role": "viewer"}).text
    token = re.search(r"/support/sign-in/([\w-]+)", page)[1]
    wrong = admin.post("/support/staff", data={"email": "nobody", "role": "viewer"})
    newcomer = app.test_client()
    newcomer.post(f"/support/sign-in/{token}")

    assert newcomer.get("/support/").status_code == 200
    assert token not in admin.get("/support/staff").text
    assert (wrong.status_code, 'value="nobody"' in wrong.text) == (422, True)
    with house() as session:
        number = session.scalar(select(Staff.id).where(Staff.email == "new@example.com"))
    admin.post(f"/support/staff/{number}/disabled")
    assert newcomer.get("/support/").status_code == 302


def test_unknown_ids_are_404(desk, cast):
    unknown = (
        "webhooks/999999",
        "mails/999999",
        "replays/999999",
        "people/1/999999",
        "webhooks?shop=999",
        f"mails/{'9' * 30}",
    )
    assert [desk.get(f"/support/{path}").status_code for path in unknown] == [404] * 6


def test_what_changed_since_the_webhook_before_is_shown_also_of_one_that_was_never_handled(desk, cart):
    page = desk.get(f"/support/webhooks/{cart[1]}").text

    assert "Since the one before" in page
    assert re.search(r"\+ +&#34;subtotal_price&#34;: &#34;21\.75&#34;", page)


def test_the_nightly_proof_is_made_once_and_listed(house, desk, cast):
    housekeeping.drain()
    housekeeping.drain()

    with house() as session:
        assert session.scalar(select(func.count()).where(AuditRow.action == "proof.made")) == 1
    assert "The first one" not in desk.get("/support/proof").text
