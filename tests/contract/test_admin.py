"""The merchant's pages: they show one shop, change what they say they change, and keep what was typed."""

import json
import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session, sessionmaker

from app import queues
from app.models import AuditRow, Base, Delivery, Enrollment, FlowSettings, FlowVersion, Shop, Webhook
from app.services import edit_flow, pauses
from app.web.admin import forms, payload, words
from app.web.guards import unguarded_routes
from tests.admin_cast import Cast, link, seed, two_shops

FLOW = "/admin/flows/abandoned_cart"
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast) -> FlaskClient:
    """Somebody of Tea & Tin."""
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, cast.tea))
    return client


def pages(cast: Cast) -> list[str]:
    return [
        "/admin/flows", FLOW, "/admin/webhooks", "/admin/webhooks?state=failed&topic=checkouts/create&platform=shopify",
        *(f"/admin/webhooks/{i}" for i in cast.webhooks.values()), "/admin/mails", "/admin/mails?state=skipped",
        *(f"/admin/mails/{i}" for i in cast.mails.values()),
    ]  # fmt: skip


def typed(**fields: str) -> dict[str, str]:
    """The form of the flow page as it stands, with some fields typed over; `__` stands for the dot."""
    form = {
        "version": "1", "reminder.after": "1", "reminder.unit": "hours", "coupon.after": "24", "coupon.unit": "hours",
        "coupon.percent": "10", "coupon.valid_hours": "48",
    }  # fmt: skip
    return form | {name.replace("__", "."): value for name, value in fields.items()}


class Inline(HTMLParser):
    """Collects what the content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.script = False

    def handle_starttag(self, tag, attrs):
        names = dict(attrs)
        self.script = tag == "script" and "src" not in names
        if tag == "style" or "style" in names or any(n.startswith("on") for n in names):
            self.found.append(f"{tag} {names}")
        if any(n.startswith("hx-on") or "js:" in (v or "") for n, v in attrs):
            self.found.append(f"{tag} {names}")

    def handle_data(self, data):
        if self.script and data.strip():
            self.found.append(f"script {data[:40]}")


def test_every_page_answers_in_full_and_as_a_piece_without_inline_style_or_script(client, cast):
    for path in pages(cast):
        for headers in ({}, HTMX):
            answer = client.get(path, headers=headers)
            look = Inline()
            look.feed(answer.text)

            assert answer.status_code == 200, path
            assert look.found == [], path


def test_every_route_is_guarded(client):
    assert unguarded_routes(client.application) == []


def test_looking_changes_nothing(house, client, cast):
    def everything() -> list[int]:
        with house() as session:
            return [
                session.execute(text(f"SELECT coalesce(sum(hashtext(t::text)::bigint), 0) FROM {t.name} t")).scalar_one()
                for t in Base.metadata.sorted_tables
            ]

    before = everything()
    for path in [*pages(cast), f"{FLOW}?x=1", "/admin/sign-in/x", "/admin/signed-out"]:
        client.get(path)
    acts = [f"{FLOW}/activation", "/admin/webhooks/replay", f"/admin/webhooks/{cast.webhooks['failed']}/replay"]

    assert [client.get(path).status_code for path in acts] == [405, 405, 405]
    assert everything() == before


def test_foreign_and_unknown_ids_are_the_same_404(client, cast):
    for foreign, unknown in (
        (f"/admin/webhooks/{cast.lamp_webhook}", "/admin/webhooks/999999"),
        (f"/admin/mails/{cast.lamp_mail}", "/admin/mails/999999"),
        (f"/admin/webhooks/{'9' * 30}", "/admin/webhooks/999999"),
        ("/admin/flows/no_such_flow", "/admin/mails/0"),
    ):
        a, b = client.get(foreign), client.get(unknown)

        assert (a.status_code, b.status_code) == (404, 404)
        assert a.data == b.data


def test_foreign_webhooks_are_neither_replayed_nor_revealed(house, client, cast):
    for act in ("replay", "payload"):
        foreign = client.post(f"/admin/webhooks/{cast.lamp_webhook}/{act}")
        unknown = client.post(f"/admin/webhooks/999999/{act}")

        assert (foreign.status_code, foreign.data) == (404, unknown.data)
    client.post("/admin/webhooks/replay")
    with house() as session:
        state = session.scalar(select(Webhook.state).where(Webhook.id == cast.lamp_webhook))

    assert state == "failed"


def test_nothing_of_another_shop_is_on_any_page(house, client, cast):
    with house.begin() as session:
        session.execute(
            text("UPDATE deliveries SET recipient = 'charlie@lamp.example' WHERE shop_id = :s"), {"s": cast.lamp}
        )
        session.execute(text("UPDATE webhooks SET topic = 'charlie/secret' WHERE shop_id = :s"), {"s": cast.lamp})
    shown = "".join(client.get(path).text for path in pages(cast))

    assert "charlie" not in shown
    assert "Lamp Loft" not in shown


def test_the_wall_in_the_database_holds_when_a_query_forgets_the_shop(house, cast):
    from app.db import tenant_session

    with tenant_session(cast.tea) as session:
        shops = set(session.scalars(select(Webhook.shop_id))) | set(session.scalars(select(Delivery.shop_id)))

    assert shops == {cast.tea}


def test_the_switch_turns_the_flow_off_and_on_and_is_audited(house, client, cast):
    off = client.delete(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})
    with house() as session:
        is_on = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
    client.post(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})
    with house() as session:
        is_on_again = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
        of_lamp = session.scalar(
            select(FlowSettings.is_on).where(FlowSettings.shop_id == cast.lamp, FlowSettings.flow == "abandoned_cart")
        )
        audited = session.execute(
            select(AuditRow.action, AuditRow.actor).where(AuditRow.object_kind == "flow").order_by(AuditRow.id)
        ).all()

    assert off.text.lstrip().startswith("<tr")
    assert 'aria-checked="false"' in off.text
    assert "paused" in json.loads(off.headers["HX-Trigger"])["toast"]["text"]
    assert (is_on, is_on_again, of_lamp) == (False, True, False)
    assert [tuple(row) for row in audited[-2:]] == [("flow.off", "merchant"), ("flow.on", "merchant")]


def test_the_switch_works_as_a_plain_form(client):
    off = client.post(f"{FLOW}/activation", data={"_method": "delete"}, follow_redirects=True)
    on = client.post(f"{FLOW}/activation", data={"from": "list"}, follow_redirects=True)

    assert (off.request.path, on.request.path) == (FLOW, "/admin/flows")
    assert "Abandoned cart is paused" in off.text
    assert 'aria-checked="true"' in on.text


def test_the_switch_on_the_flows_own_page_answers_its_head(client):
    answer = client.delete(f"{FLOW}/activation", headers={**HTMX, "HX-Target": "div#flow-head"})

    assert 'id="flow-head"' in answer.text
    assert "Paused" in answer.text


def test_waits_and_coupon_become_one_new_version(house, client, cast):
    answer = client.post(
        FLOW, data=typed(reminder__after="90", reminder__unit="seconds", coupon__after="3", coupon__unit="days",
                         coupon__percent="15", coupon__valid_hours="72"),
        follow_redirects=True,
    )  # fmt: skip
    with house() as session:
        flow = edit_flow.current(session, cast.tea, "abandoned_cart")
        versions = session.scalar(
            select(func.count())
            .select_from(FlowVersion)
            .where(FlowVersion.shop_id == cast.tea, FlowVersion.flow == "abandoned_cart")
        )

    assert "Saved as version 2" in answer.text
    assert versions == 2
    assert [s.length for s in flow.flow.steps if s.type == "wait"] == [timedelta(seconds=90), timedelta(days=3)]
    assert (flow.flow.sends[1].coupon.percent, flow.flow.sends[1].coupon.valid_hours) == (15, 72)


@pytest.mark.parametrize(
    ("field", "value", "beside"),
    [
        ("reminder__after", "soon", "Write a whole number"),
        ("reminder__after", "1.5", "Write a whole number"),
        ("reminder__after", "", "Write a number"),
        ("reminder__after", "-1", "Write a whole number"),
        ("reminder__after", "0", "at least 1 second"),
        ("reminder__after", "9" * 9, "at most 400 days"),
        ("reminder__after", "9" * 30, "Write a whole number"),
        ("coupon__after", "1", "Choose more than 1 hour"),
        ("coupon__percent", "0", "1 to 100 percent"),
        ("coupon__percent", "101", "1 to 100 percent"),
        ("coupon__valid_hours", "0", "at least 1 hour"),
        ("coupon__valid_hours", "x<script>", "Write a whole number"),
    ],
)
def test_a_wrong_value_is_kept_and_explained_beside_its_field(house, client, cast, field, value, beside):
    form = typed(**{"coupon__percent": "33", field: value})
    full, piece = client.post(FLOW, data=form), client.post(FLOW, data=form, headers=HTMX)
    with house() as session:
        version = session.scalar(
            select(FlowSettings.version).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )
    name = field.replace("__", ".")
    fields = dict(re.findall(r'<input class="input num"[^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', full.text))
    shown = re.search(rf'name="{re.escape(name)}"[^>]*', full.text).group()

    assert (full.status_code, piece.status_code, version) == (422, 422, 1)
    assert beside in full.text
    assert beside in piece.text
    assert "<html" not in piece.text
    assert fields[name] == value[:40].replace("<", "&lt;").replace(">", "&gt;")
    assert fields["coupon.percent"] == (value if field == "coupon__percent" else "33")
    assert 'aria-invalid="true"' in shown


def test_an_unknown_unit_is_refused(client):
    answer = client.post(FLOW, data=typed(reminder__unit="fortnights"))

    assert answer.status_code == 422
    assert "Choose seconds, minutes, hours or days." in answer.text


def test_saving_what_is_there_makes_no_version(house, client, cast):
    answer = client.post(FLOW, data=typed(reminder__after="60", reminder__unit="minutes"), follow_redirects=True)
    with house() as session:
        version = session.scalar(
            select(FlowSettings.version).where(FlowSettings.shop_id == cast.tea, FlowSettings.flow == "abandoned_cart")
        )

    assert "Nothing was changed" in answer.text
    assert version == 1


def test_who_saves_over_somebody_elses_version_is_told_first(client):
    client.post(FLOW, data=typed(reminder__after="2"))
    stale = client.post(FLOW, data=typed(reminder__after="3"))
    again = client.post(FLOW, data=typed(reminder__after="3", version="2"), follow_redirects=True)

    assert stale.status_code == 409
    assert "Somebody saved version 2" in stale.text
    assert 'value="3"' in stale.text
    assert "Saved as version 3" in again.text


def test_a_form_shows_what_the_flow_says_and_gives_it_back(house, cast):
    with house() as session:
        flow = edit_flow.current(session, cast.tea, "abandoned_cart").flow

    assert forms.changed(flow, forms.stored(flow)) == flow
    assert [(m.after, m.unit) for m in forms.stored(flow)] == [("1", "hours"), ("24", "hours")]


def test_the_flow_page_counts_whom_it_affects(client):
    page = client.get(FLOW).text

    assert "1 person is part-way through." in page
    assert "1 person waits here" in page
    assert "They bought in the meantime" in page


def test_replay_sets_a_failed_webhook_due_rings_and_is_audited(house, client, cast):
    webhook_id = cast.webhooks["failed"]
    answer = client.post(f"/admin/webhooks/{webhook_id}/replay", follow_redirects=True)
    with house() as session:
        row = session.scalars(select(Webhook).where(Webhook.id == webhook_id)).one()
        actions = session.scalars(select(AuditRow.action).where(AuditRow.object_kind == "webhook")).all()
        is_due = session.scalar(select(Webhook.due_at <= func.now()).where(Webhook.id == webhook_id))

    assert answer.request.path == f"/admin/webhooks/{webhook_id}"
    assert "Replaying" in answer.text
    assert (row.state, row.attempts, row.fence, is_due) == ("pending", 0, 1, True)
    assert actions == ["webhook.replayed"]
    assert _rings() == 1


@pytest.mark.parametrize(("state", "why"), [("done", "It was handled"), ("redacted", "erased"), ("pending", "waiting")])
def test_replay_refuses_what_makes_no_sense_and_says_why(house, client, cast, state, why):
    webhook_id = cast.webhooks[state]
    answer = client.post(f"/admin/webhooks/{webhook_id}/replay", headers={**HTMX, "HX-Target": f"tr#webhook-{webhook_id}"})
    with house() as session:
        fence = session.scalar(select(Webhook.fence).where(Webhook.id == webhook_id))

    assert answer.status_code == 422
    assert why in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]
    assert (fence, _rings()) == (0, 0)


def test_all_failed_webhooks_of_a_topic_are_replayed_and_no_others(house, client, cast):
    with house.begin() as session:
        for n in range(3):
            _more(session, cast.tea, f"f{n}", "failed", "orders/create")
    answer = client.post("/admin/webhooks/replay", data={"topic": "orders/create"}, follow_redirects=True)
    with house() as session:
        failed = session.scalars(select(Webhook.id).where(Webhook.state == "failed", Webhook.shop_id == cast.tea)).all()

    assert "Replaying 3 webhooks." in answer.text
    assert failed == [cast.webhooks["failed"]]


def test_a_replayed_line_looks_again_until_it_is_handled(house, client, cast):
    webhook_id = cast.webhooks["failed"]
    path = f"/admin/webhooks/{webhook_id}"
    headers = {**HTMX, "HX-Target": f"tr#webhook-{webhook_id}"}
    first = client.post(f"{path}/replay", headers=headers).text
    last = client.get(f"{path}?look=8", headers=headers).text
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET state = 'done' WHERE id = :i"), {"i": webhook_id})

    assert f'hx-get="{path}?look=2"' in first
    assert "hx-trigger" not in last
    assert "hx-trigger" not in client.get(f"{path}?look=2", headers=headers).text


def test_the_log_pages_by_id_and_meets_every_row_once(house, client, cast):
    with house.begin() as session:
        for n in range(120):
            _more(session, cast.tea, f"p{n}", "done", "orders/create")
    seen, path, count = [], "/admin/webhooks", 0
    while path:
        page = client.get(path).text
        seen += re.findall(r'<tr id="webhook-(\d+)"', page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        path, count = (older.group(1).replace("&amp;", "&") if older else ""), count + 1

    assert count == 3
    assert len(seen) == len(set(seen)) == 126
    assert seen == sorted(seen, key=int, reverse=True)


def test_filters_show_what_fits_and_ignore_nonsense(client, cast):
    def listed(query: str) -> set[int]:
        return {int(i) for i in re.findall(r'<tr id="webhook-(\d+)"', client.get(f"/admin/webhooks?{query}").text)}

    assert listed("state=failed") == {cast.webhooks["failed"]}
    assert listed("topic=products/create") == {cast.webhooks["ignored"]}
    assert listed("platform=woocommerce") == set()
    assert listed("state=done&topic=products/create") == set()
    assert listed("state=nonsense&before=x&platform=magento") == set(cast.webhooks.values())
    assert listed(f"before={'9' * 40}") == set(cast.webhooks.values())


def test_a_filter_without_an_index_looks_so_far_and_goes_on(house, client, cast, monkeypatch):
    from app.services import listings

    monkeypatch.setattr(listings, "LOOK", 10)
    with house.begin() as session:
        for n in range(12):
            _more(session, cast.tea, f"l{n}", "done", "orders/create")
    first = client.get("/admin/webhooks?topic=products/create").text
    older = re.search(r'rel="next" href="([^"]+)"', first).group(1).replace("&amp;", "&")

    assert "No webhook fits all filters among the" in first
    assert f'id="webhook-{cast.webhooks["ignored"]}"' in client.get(older).text


def test_payloads_hide_people_and_keep_ids_and_amounts(house, client, cast):
    page = client.get(f"/admin/webhooks/{cast.webhooks['failed']}").text

    for personal in ("maya.okafor", "Okafor", "Larkspur", "+15035550142", "97214", "recover?key"):
        assert personal not in page
    for kept in (
        "7751203946691",
        "48.00",
        "Stoneware Mug",
        "8f2b6a0d4c9e4b57a1d3e60f7c2b9a84",
        "USD",
        "2026-11-18T10:02:11",
    ):
        assert kept in page


def test_showing_personal_data_is_an_audited_act(house, client, cast):
    path = f"/admin/webhooks/{cast.webhooks['failed']}/payload"
    full, piece = client.post(path).text, client.post(path, headers=HTMX).text
    with house() as session:
        actions = session.scalars(select(AuditRow.action).where(AuditRow.object_kind == "webhook")).all()

    assert "maya.okafor@example.com" in full
    assert "maya.okafor@example.com" in piece
    assert actions == ["webhook.revealed", "webhook.revealed"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"email": "jo.fields@example.com"}, {"email": "jo•••@example.com"}),
        ({"note": "ring at jo@example.com"}, {"note": "•••"}),
        ({"text": "ring jo@example.com, twice"}, {"text": "ring jo•••@example.com, twice"}),
        ({"billing": {"city": "Baku", "country": "AZ"}}, {"billing": {"city": "•••", "country": "AZ"}}),
        ({"customer": {"id": 7, "first_name": "Jo"}}, {"customer": {"id": 7, "first_name": "•••"}}),
        ({"default_address": {"name": "Jo Fields", "zip": "1", "latitude": 40.4}},
         {"default_address": {"name": "•••", "zip": "•••", "latitude": "•••"}}),
        ({"line_items": [{"name": "Mug", "price": "4.00"}], "name": "#1042"},
         {"line_items": [{"name": "Mug", "price": "4.00"}], "name": "#1042"}),
        ({"url": "https://shop.example/recover?key=s3cret"}, {"url": "https://shop.example/•••"}),
        ({"image": "https://cdn.example/mug.jpg"}, {"image": "https://cdn.example/mug.jpg"}),
        ({"meta_data": [{"key": "for", "value": "Jo"}]}, {"meta_data": [{"key": "for", "value": "•••"}]}),
        ({"browser_ip": "10.0.0.1", "client_details": {"user_agent": "x"}, "ip_count": None},
         {"browser_ip": "•••", "client_details": {"user_agent": "•••"}, "ip_count": None}),
        ({"email_sent": True, "total": 3}, {"email_sent": True, "total": 3}),
    ],
)  # fmt: skip
def test_masking(value, expected):
    assert payload.masked(value) == expected


def test_bodies_that_are_no_json_or_too_long_are_shown_safely():
    as_text, text_cut = payload.pretty(payload.read(b"webhook_id=7 <script>\xff"))
    long, long_cut = payload.pretty({"rows": [{"id": n} for n in range(20_000)]})
    wordy, wordy_cut = payload.pretty({"html": "x" * 50_000, "after": 1})

    assert "&lt;script&gt;" in as_text
    assert (text_cut, long_cut, wordy_cut) == (False, True, False)
    assert len(long.striptags()) <= payload.LONGEST
    assert "49000 more characters" in wordy
    assert "after" in wordy
    assert payload.masked(payload.read(b"[" * 5000)) == "[" * 5000


@pytest.mark.parametrize(
    "text", ["a" * 2_000_000, "a@" * 1_000_000, "https://a/" * 200_000, "http://a?" * 200_000, "é@b." * 400_000]
)
@pytest.mark.timeout(20)
def test_masking_takes_time_in_proportion_to_the_text(text):
    assert payload.masked({"text": text})


def test_a_mail_says_why_it_went_and_why_not(client, cast):
    sent = client.get(f"/admin/mails/{cast.mails['sent']}").text
    skipped = client.get(f"/admin/mails/{cast.mails['skipped']}").text
    unknown = client.get(f"/admin/mails/{cast.mails['unknown']}").text

    assert "It was time, and nothing spoke against it" in sent
    assert "TEATI-7KQ2-0000" in sent
    assert "$66.50" in sent
    assert "Not sent on purpose." in skipped
    assert skipped.count("They bought in the meantime") >= 2
    assert "It is never sent again by itself" in unknown


def test_mails_are_filtered_by_state(client, cast):
    def listed(state: str) -> set[int]:
        return {int(i) for i in re.findall(r'href="/admin/mails/(\d+)"', client.get(f"/admin/mails?state={state}").text)}

    assert listed("skipped") == {cast.mails["skipped"]}
    assert listed("pending") == {cast.mails["pending"]}
    assert cast.mails["sent"] in listed("sent")
    assert listed("") >= set(cast.mails.values())


def test_every_reason_and_event_has_words():
    from app.domain import events

    kinds = {cls.kind for cls in events.Event.__subclasses__()}

    assert kinds <= set(words.EVENTS)
    assert words.reason("brand_new_reason") == "Brand new reason"
    assert words.reason("550 no such user") == "550 no such user"
    assert words.reason(None) == ""


def test_an_empty_shop_is_taught_what_comes_next(house):
    from app.web import create_app

    with house.begin() as session:
        tea, _, _ = two_shops(session)
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    client = app.test_client()
    client.post(link(house, tea.id))
    flows, webhooks, mails = (client.get(f"/admin/{p}").text for p in ("flows", "webhooks", "mails"))
    switched = client.post("/admin/flows/abandoned_cart/activation", headers={**HTMX, "HX-Target": "tr#flow-abandoned_cart"})

    assert "1 of 4" in flows
    assert "No mail has gone out yet" in flows
    assert "Nothing received yet" in webhooks
    assert "No mail yet" in mails
    assert "2 of 4" in switched.text


def test_times_are_in_the_shops_zone(house, client, cast):
    with house.begin() as session:
        session.execute(text("UPDATE webhooks SET received_at = '2026-11-18T03:30:00Z' WHERE shop_id = :s"), {"s": cast.tea})
    page = client.get("/admin/webhooks").text

    assert "17 Nov, 22:30:00" in page
    assert "18 Nov, 03:30:00" not in page


def test_a_zone_that_nobody_knows_is_shown_in_utc(house, client, cast):
    with house.begin() as session:
        session.execute(text("UPDATE shops SET timezone = '+02:00'"))

    assert "Time (UTC)" in client.get("/admin/webhooks").text


def test_numbers_are_counted_over_thirty_days_and_per_state(house):
    from app.services import results

    cast = seed(house, month=9)
    with house() as session:
        counted = results.results(session, cast.tea, now=cast.now)
        later = results.results(session, cast.tea, now=cast.now + timedelta(days=31))
        sent = session.scalar(
            select(func.count()).select_from(Delivery).where(Delivery.shop_id == cast.tea, Delivery.state == "sent")
        )
        in_it = session.scalar(
            select(func.count()).select_from(Enrollment).where(Enrollment.shop_id == cast.tea, Enrollment.state == "active")
        )

    assert counted.total("sent") == sum(counted.sent_by_day()) == sent
    assert counted.skipped_because("abandoned_cart") == [("ordered", 1)]
    assert (len(counted.sent_by_day()), later.total("sent"), in_it) == (30, 0, 1)
    assert not counted.is_partial


def test_more_mails_than_the_window_are_said_to_be_cut(house, client, cast, monkeypatch):
    from app.services import results

    monkeypatch.setattr(results, "WINDOW", 3)

    assert "the newest" in client.get("/admin/flows").text


def test_an_order_after_a_mail_is_counted_once(house, cast):
    from app.services import results

    with house() as session:
        orders = results.orders_after_mail(session, cast.tea, now=cast.now)
        later = results.orders_after_mail(session, cast.tea, now=cast.now + timedelta(days=31))
        foreign = results.orders_after_mail(session, cast.lamp, now=cast.now)

    assert (orders, later, foreign) == (1, 0, 1)


def test_an_error_inside_a_page_is_a_sentence(client):
    answer = client.get("/admin/webhooks/999999", headers={**HTMX, "HX-Target": "aside#event"})

    assert answer.status_code == 404
    assert "gone" in json.loads(answer.headers["HX-Trigger"])["toast"]["text"]


def test_pages_are_told_apart_from_their_pieces_by_caches(client, cast):
    answer = client.get("/admin/flows")

    assert "HX-Request" in answer.headers["Vary"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_shop_that_was_forgotten_ends_the_session(house, client, cast):
    with house.begin() as session:
        session.execute(text("DELETE FROM shops WHERE id = :s"), {"s": cast.tea})

    assert client.get("/admin/flows").status_code == 401
    assert client.get("/admin/flows").status_code == 302


def _more(session: Session, shop_id: int, key: str, state: str, topic: str) -> None:
    session.add(
        Webhook(
            shop_id=shop_id, platform="shopify", topic=topic, dedupe_key=key, body=b"{}", body_sha256=b"0" * 32, headers={},
            state=state, due_at=session.execute(select(func.now())).scalar_one(),
        )
    )  # fmt: skip


def _rings() -> int:
    client = queues.connect()
    try:
        return int(client.llen(f"rq:queue:{queues.QueueName.INBOX}"))
    finally:
        client.close()


def test_the_shop_row_is_read_by_the_plain_role(house, cast):
    from app.db import tenant_session

    with tenant_session(cast.lamp) as session:
        assert session.scalars(select(Shop.id)).all() == [cast.lamp]


@pytest.mark.parametrize(
    ("whose", "is_refusal", "is_told"),
    [("all", True, True), ("own", True, True), ("own", False, False), ("other", True, False)],
)
def test_a_way_out_that_refuses_is_said_on_every_page(house, client, cast, whose, is_refusal, is_told):
    """I16: mails that wait for a person say so, to the shops whose mails they are."""
    with house.begin() as session:
        shop_id = {"all": 0, "own": cast.tea, "other": cast.lamp}[whose]
        pauses.begin(session, shop_id, "401 from the service", is_refusal=is_refusal, now=cast.now)

    page = client.get("/admin/mails").text
    assert ("No mail leaves at the moment" in page) is is_told
    assert "401 from the service" not in page


def test_a_pause_is_ended_by_hand_once_what_was_refused_is_mended(house, client, cast):
    from click.testing import CliRunner

    from app.cli import cli

    with house.begin() as session:
        pauses.begin(session, 0, "401 from the service", is_refusal=True, now=cast.now)
    first, again = (CliRunner().invoke(cli, ["mail", "resume", "--json"]) for _ in range(2))

    assert json.loads(first.stdout)["was"] == "401 from the service"
    assert (again.exit_code, "not paused" in again.stderr) == (1, True)
    assert "No mail leaves" not in client.get("/admin/mails").text
