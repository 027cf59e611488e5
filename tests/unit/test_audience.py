"""Conditions as lines: any list gives a flow that can be read and the same list back; what nobody can meet is found."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.flows import FLOWS, read_flow
from app.flows import conditions as c
from app.flows.audience import LINES_MOST, Clash, Line, clashes, joined, offered, parts
from app.flows.edits import with_audience, with_only
from app.flows.snapshot import PersonFacts, Purchase
from app.flows.vocabulary import to_json
from tests.unit.test_engine import CART, FLOW, SNAPSHOT, T0

CONDITIONS = st.one_of(
    st.integers(1, 5).map(c.worth_at_least),
    st.just(c.never_bought()),
    st.integers(1, 3).map(c.orders_in_a_year),
    st.integers(1, 5).map(c.spent_in_a_year),
    st.sets(st.sampled_from(["AT", "CH", "DE"]), min_size=1).map(lambda codes: c.in_country(*codes)),
    st.sampled_from(["vip", "VIP", "gift club"]).map(c.has_tag),
)
LINES = st.lists(st.builds(Line, CONDITIONS, st.booleans(), st.booleans()), max_size=LINES_MOST).map(tuple)
PURCHASES = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 3)), max_size=3)


@given(LINES)
def test_any_list_of_lines_is_a_flow_and_gives_the_list_back(lines):
    flow = with_only(with_audience(FLOWS["abandoned_cart"], lines), "coupon", lines)
    first = tuple(replace(line, is_or=line.is_or and n > 0) for n, line in enumerate(lines))

    assert read_flow(to_json(flow)) == flow
    assert (parts(flow.trigger.when)[1], parts(flow.send("coupon").when)[1]) == (first, first)
    assert parts(flow.trigger.when)[0] == FLOWS["abandoned_cart"].trigger.when
    assert with_audience(flow, first) == flow


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
def test_a_shipped_flow_is_the_same_from_its_lines(flow):
    assert with_audience(flow, parts(flow.trigger.when)[1]) == flow


def test_what_a_list_cannot_say_stays_and_an_order_alone_is_no_change():
    deep = c.any_of(c.all_of(c.never_bought(), c.has_tag("a1")), c.in_country("DE"))
    was = (c.never_bought(), deep, c.has_email())

    assert parts(was) == ((deep, c.has_email()), (Line(c.never_bought()),))
    assert joined(was, parts(was)[1]) == was
    assert joined(was, ()) == (deep, c.has_email())


@given(LINES, PURCHASES, st.integers(0, 6), st.sampled_from([None, "AT", "CH", "DE"]), st.booleans())
def test_nobody_ever_meets_lines_that_are_said_to_clash(lines, bought, worth, country, is_vip):
    """Whoever meets all of a list proves that nothing in it is impossible."""
    purchases = tuple(
        Purchase(at=T0 - timedelta(days=days), external_id=str(n), minor=minor) for n, (days, minor) in enumerate(bought)
    )
    person = PersonFacts(
        email="alice@example.com", at=T0, subscribed_at=T0, orders=len(bought), purchases=purchases, country=country,
        tags=frozenset({"vip"} if is_vip else ()),
    )  # fmt: skip
    standing = replace(SNAPSHOT, person=person, checkout=replace(CART, worth_minor=worth))
    if all(c.holds(condition, standing, FLOW) for condition in joined((), lines)):
        assert [clash for clash in clashes(lines) if clash.trouble == "never"] == []


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((Line(c.has_tag("vip")), Line(c.has_tag("VIP"), is_not=True)), [Clash(1, 0, "never")]),
        ((Line(c.has_tag("vip")), Line(c.has_tag("Vip"))), [Clash(1, 0, "twice")]),
        ((Line(c.worth_at_least(50)), Line(c.worth_at_least(50), is_not=True)), [Clash(1, 0, "never")]),
        ((Line(c.worth_at_least(50)), Line(c.worth_at_least(51), is_not=True)), []),
        ((Line(c.in_country("DE")), Line(c.in_country("AT", "CH"))), [Clash(1, 0, "never")]),
        ((Line(c.in_country("DE", "AT")), Line(c.in_country("DE"), is_not=True)), []),
        ((Line(c.in_country("DE", "AT")), Line(c.in_country("AT", "CH"))), []),
        ((Line(c.in_country("DE"), is_not=True), Line(c.in_country("AT"), is_not=True)), []),
        ((Line(c.in_country("DE", "AT"), is_not=True), Line(c.in_country("DE"))), [Clash(1, 0, "never")]),
        ((Line(c.never_bought()), Line(c.never_bought(), is_not=True)), [Clash(1, 0, "never")]),
        ((Line(c.orders_in_a_year(2)), Line(c.never_bought())), [Clash(1, 0, "never")]),
        ((Line(c.spent_in_a_year(9)), Line(c.orders_in_a_year(1), is_not=True)), [Clash(1, 0, "never")]),
        ((Line(c.has_tag("a1")), Line(c.has_tag("a1"), is_not=True, is_or=True)), []),
        (
            (Line(c.never_bought()), Line(c.spent_in_a_year(9)), Line(c.orders_in_a_year(2), is_or=True)),
            [Clash(1, 0, "never")],
        ),
        ((Line(c.never_bought()), Line(c.spent_in_a_year(9)), Line(c.has_tag("a1"), is_or=True)), []),
    ],
)
def test_what_clashes(lines, expected):
    assert clashes(lines) == expected


def test_a_flow_offers_what_is_known_of_what_it_is_about():
    cart, welcome, after = (FLOWS[key] for key in ("abandoned_cart", "welcome", "post_purchase"))

    assert {"worth_at_least", "never_bought", "in_country", "has_tag"} <= set(offered(cart))
    assert "worth_at_least" not in offered(welcome)
    assert ("is_first_order" in offered(after), "is_first_order" in offered(cart)) == (True, False)
    assert offered(FLOWS["double_opt_in"]) == ()
    assert ("clicked" in offered(cart), "clicked" in offered(cart, cart.sends[0])) == (False, False)
    assert "clicked" in offered(cart, cart.sends[1])
