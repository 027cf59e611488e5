"""A flow for some people, and a mail for some of them, by signed-for webhooks of both platforms through all the drains."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from app.flows import FLOWS
from app.flows.conditions import has_tag, in_country, never_bought, none_of, worth_at_least
from app.flows.vocabulary import Condition
from app.models import Delivery
from app.services import edit_flow
from tests import builders
from tests.admin_cast import client_of
from tests.contract.test_flow_stories import Shop, shop, woo_checkout

__all__ = ["shop"]  # a fixture
CART = FLOWS["abandoned_cart"]


def use(shop: Shop, *enters: Condition, coupon: tuple[Condition, ...] = ()) -> None:
    """Give the cart flow these conditions of entry, and its coupon these of its own."""
    trigger = replace(CART.trigger, when=(*CART.trigger.when, *enters))
    flow = replace(CART, trigger=trigger, steps=(*CART.steps[:-1], replace(CART.steps[-1], when=coupon)))
    with shop.house.begin() as session:
        state = edit_flow.current(session, shop.id, CART.key)
        edit_flow.new_version(session, shop.id, state, flow, actor="merchant", now=shop.now)
    shop.on(CART.key)


def leave_a_cart(shop: Shop, token: str, *, country: str = "DE") -> None:
    """Somebody leaves a cart of 48.00 in the shop's own currency."""
    if shop.platform == "shopify":
        address = {"country_code": country}
        body = builders.checkout_body(token, shop.now) | {"shipping_address": address, "billing_address": address}
        shop.tell({"shopify": "checkouts/update"}, body)
    else:
        shop.tell({"woocommerce": "checkout.updated"}, woo_checkout(token, shop.now) | {"country": country})


@pytest.mark.parametrize(
    ("condition", "enters"),
    [
        (worth_at_least(4800), True),
        (worth_at_least(4801), False),
        (none_of(worth_at_least(4801)), True),
        (in_country("AT", "DE"), True),
        (in_country("AT"), False),
        (none_of(in_country("AT")), True),
        (never_bought(), True),
        (none_of(never_bought()), False),
        (has_tag("vip"), False),
        (none_of(has_tag("vip")), True),
    ],
)
def test_who_comes_in_is_who_the_shop_said(shop, condition, enters):
    use(shop, condition)
    leave_a_cart(shop, "t1")
    shop.pass_time(hours=2)

    assert shop.mails() == ([("abandoned_cart", "reminder", "sent", None)] if enters else [])


def test_a_mail_for_new_customers_is_left_out_for_one_who_bought_before_and_says_why(shop):
    shop.order(1)
    shop.pass_time(days=1)
    use(shop, coupon=(never_bought(),))
    leave_a_cart(shop, "t1")
    shop.pass_time(hours=2)
    shop.pass_time(hours=23)

    assert shop.mails() == [
        ("abandoned_cart", "reminder", "sent", None),
        ("abandoned_cart", "coupon", "skipped", "not_meant"),
    ]
    with shop.house() as session:
        mail = session.scalar(select(Delivery.id).where(Delivery.reason == "not_meant"))
    page = client_of(shop.house, shop.id).get(f"/admin/mails/{mail}").text
    assert "This mail was only for some people of the flow" in page
    assert "not sent; it is only for whom this holds: they have not bought yet" in page
