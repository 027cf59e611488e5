"""The form of a flow, whatever is typed: it makes a flow that it shows again, or says at which field it does not."""

from types import SimpleNamespace

import pytest
from flask import Flask, g
from flask_babel import Babel
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flows import FLOWS, read_flow
from app.flows.audience import OFFERS, offered
from app.flows.vocabulary import to_json
from app.web.admin import forms

PAGES = Flask("pages")
Babel(PAGES)
# What makes sense for a condition; "a,b" is a tag only at first sight.
FITTING = {
    "worth_at_least": ("20", "0,5", "10"), "spent_in_a_year": ("20", "500"), "orders_in_a_year": ("1", "2", "٣"),
    "in_country": ("DE", "Germany, AT", "at;ch"), "has_tag": ("vip", "VIP", "a,b"), "clicked": ("reminder", "hello", "ask"),
}  # fmt: skip
NONSENSE = st.sampled_from(["", "120 %", "9" * 30, "½", "1.234"]) | st.text(max_size=12)
USUALLY, SELDOM = st.sampled_from([True, True, True, False]), st.sampled_from([False] * 7 + [True])


@st.composite
def any_form(draw) -> tuple[str, dict[str, str]]:
    """Draw a flow and a form of its page, mostly with sense."""
    key = draw(st.sampled_from(sorted(FLOWS)))
    form = {}
    for send, is_wrong in ((send, draw(SELDOM)) for send in FLOWS[key].sends):
        if is_wrong:
            form[f"{send.key}.{draw(st.sampled_from(['after', 'percent', 'valid_hours']))}"] = draw(NONSENSE)
    for send in (None, draw(st.sampled_from(FLOWS[key].sends))):
        prefix = f"{send.key}.only" if send else "_audience"
        form[f"{prefix}.count"] = draw(st.sampled_from(["0", "1", "2", "3", "99", "x"]))
        for n in range(3):
            name = draw(st.sampled_from((draw(USUALLY) and offered(FLOWS[key], send)) or sorted(OFFERS)))
            value = draw(st.sampled_from(FITTING.get(name, ("",))) if draw(USUALLY) else NONSENSE)
            sign, join = draw(st.sampled_from(["yes", "no"])), draw(st.sampled_from(["and", "or"]))
            parts = {"name": name, "value": value, "sign": sign, "join": join}
            form |= {f"{prefix}.{n}.{part}": told for part, told in parts.items()}
    return key, form


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
def test_a_form_that_nobody_touched_is_the_flow(flow):
    assert forms.changed(flow, forms.stored(flow, "USD")) == flow


@given(any_form())
@settings(deadline=None, max_examples=200)
def test_what_any_form_makes_is_a_flow_that_the_form_shows_again_or_is_refused(told):
    key, form = told
    with PAGES.test_request_context():
        g.frame = SimpleNamespace(shop=SimpleNamespace(currency="USD"))
        fields = forms.typed(FLOWS[key], form, "USD")
        made = forms.changed(FLOWS[key], fields)
        wrong = [held for held in fields.lists if held.is_wrong] or [mail for mail in fields.mails if mail.errors]
        if made is None:
            assert wrong
            assert fields.focus
        else:
            assert not wrong
            assert read_flow(to_json(made)) == made
            assert forms.changed(made, forms.stored(made, "USD")) == made
