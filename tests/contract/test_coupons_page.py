"""The coupons' page: every code with what became of it, found by its letters, in pages; an order's code is kept with it."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

import jobs.crediting
from app.models import Coupon, Delivery, Order
from app.services import attribution, coupon_list
from tests.admin_cast import Cast, client_of, seed, two_shops
from tests.people_cast import Shopper, busy_shopper

LIST = "/admin/coupons"


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


@pytest.fixture
def zoe(house: sessionmaker[Session], cast: Cast) -> Shopper:
    with house.begin() as session:
        busy_shopper(session, cast.lamp, cast.now)
        return busy_shopper(session, cast.tea, cast.now)


@pytest.fixture
def client(house: sessionmaker[Session], cast: Cast, zoe: Shopper) -> FlaskClient:
    return client_of(house, cast.tea)


def codes(page: str) -> list[str]:
    return re.findall(r'class="mono strong">([^<]+)<', page)


def change(house: sessionmaker[Session], shop_id: int, values: dict[str, object]) -> None:
    """Change the code of Alice, `mail` and `reason` of its mail."""
    with house.begin() as session:
        query = select(Coupon).where(Coupon.shop_id == shop_id, Coupon.code == "TEATI-7KQ2-0000")
        coupon = session.scalars(query).one()
        mail = session.scalars(select(Delivery).where(Delivery.enrollment_id == coupon.enrollment_id)).one()
        mail.state, mail.reason = values.pop("mail", mail.state), values.pop("reason", mail.reason)
        for name, value in values.items():
            setattr(coupon, name, value)


def test_a_redeemed_code_shows_for_whom_which_mail_terms_and_order(client, zoe):
    page = client.get(f"{LIST}?code=teati-zoe1").text

    assert codes(page) == ["TEATI-ZOE1"]
    assert all(word in page for word in ("Redeemed", "#1001", "$59.00", "10% off, once", "zoe@example.com"))
    assert f"/admin/mails/{zoe.mail}" in page
    assert f"/admin/customers/{zoe.id}" in page


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        ("made", {}),
        ("ended", {"expires_at": "past"}),
        ("asked", {"state": "pending", "mail": "pending"}),
        ("ended", {"state": "pending", "mail": "skipped", "reason": "ordered"}),
        ("failed", {"state": "pending", "mail": "failed", "reason": "The shop refused to make it."}),
    ],
)
def test_a_code_is_in_one_state_and_in_that_list_alone(house, client, cast, state, changes):
    values = {name: cast.now - timedelta(hours=1) if value == "past" else value for name, value in changes.items()}
    change(house, cast.tea, values)
    listed = {each: "TEATI-7KQ2-0000" in codes(client.get(f"{LIST}?state={each}").text) for each in coupon_list.Fate}

    assert listed == {each: each == state for each in coupon_list.Fate}
    if "reason" in changes:
        words = {"ordered": "They bought in the meantime"}
        assert words.get(str(changes["reason"]), str(changes["reason"])) in client.get(f"{LIST}?state={state}").text


def test_codes_page_by_id_and_each_is_met_once(house, client, cast, monkeypatch):
    monkeypatch.setattr(coupon_list, "PAGE", 1)
    met, url = [], LIST
    while url:
        page = client.get(url).text
        met += codes(page)
        older = re.search(r'rel="next" href="([^"]+)"', page)
        url = older[1].replace("&amp;", "&") if older else None
    with house() as session:
        held = set(session.scalars(select(Coupon.code).where(Coupon.shop_id == cast.tea)))

    assert (len(met), set(met)) == (len(held), held)


def test_a_state_is_looked_for_so_far_and_the_page_goes_on(client, monkeypatch):
    monkeypatch.setattr(coupon_list, "LOOK", 1)
    page = client.get(f"{LIST}?state=made").text

    assert "codes were looked through" in page
    assert 'rel="next"' in page


def test_the_sums_are_of_one_shop(client):
    page = client.get(LIST).text

    assert "$50.00" in page
    assert "TEATI-ZOE2" not in page
    assert "No such code" in client.get(f"{LIST}?code=TEATI-ZOE2").text


@pytest.mark.parametrize("asked", ["?code=%00", "?code='", "?state=x", "?before=x", "?before=99999999999999999999"])
def test_nonsense_is_no_error(client, asked):
    assert client.get(f"{LIST}{asked}").status_code == 200


def test_an_empty_shop_is_taught_what_a_coupon_is(house):
    with house.begin() as session:
        tea, _, _ = two_shops(session)

    assert "No code yet" in client_of(house, tea.id).get(LIST).text


def test_an_order_that_used_a_code_is_kept_with_it_and_the_first_one_stays(house, cast, zoe):
    with house.begin() as session:
        session.execute(text("UPDATE coupons SET order_external_id = NULL"))
        orders = session.scalars(select(Order).where(Order.shop_id == cast.tea)).all()
        for order in orders:
            order.discount_codes = ["someone-elses", "teati-zoe1"]
        attribution.note(session, cast.tea, [zoe.order], now=cast.now)
    jobs.crediting.drain()
    with house() as session:
        used = dict(session.execute(select(Coupon.code, Coupon.order_external_id).where(Coupon.code.like("%ZOE%"))).all())

    assert used == {"TEATI-ZOE1": zoe.order, "TEATI-ZOE2": None}
