"""The form of a flow, whatever is typed: it makes a flow that it shows again, or says at which field it does not."""

from types import SimpleNamespace

from flask import Flask, g
from flask_babel import Babel
from hypothesis import given, settings
from hypothesis import strategies as st

from app.flows import FLOWS, read_flow
from app.flows.audience import OFFERS
from app.flows.vocabulary import to_json
from app.web.admin import forms

PAGES = Flask("pages")
Babel(PAGES)
TYPED = ("20", "0.5", "vip", "DE", "Germany, AT", "reminder", "", "120 %", "9" * 30, "½", "٣", "a,b")
WORDS = st.sampled_from(TYPED) | st.text(max_size=12)
PARTS = {
    "name": st.sampled_from([*OFFERS, "ordered", ""]), "value": WORDS, "sign": st.sampled_from(["yes", "no", ""]),
    "join": st.sampled_from(["and", "or", ""]),
}  # fmt: skip


@st.composite
def any_form(draw) -> tuple[str, dict[str, str]]:
    """Draw a flow and a form of its page, with sense or without."""
    key = draw(st.sampled_from(sorted(FLOWS)))
    prefixes = ["_audience", *(f"{send.key}.only" for send in FLOWS[key].sends)]
    form = {}
    for prefix in draw(st.lists(st.sampled_from(prefixes), max_size=3)):
        form[f"{prefix}.count"] = draw(st.sampled_from(["0", "1", "2", "3", "99", "x"]))
        for n in range(3):
            form |= {f"{prefix}.{n}.{part}": draw(values) for part, values in PARTS.items()}
    for name in ("after", "percent", "valid_hours"):
        if draw(st.booleans()):
            form[f"{draw(st.sampled_from(FLOWS[key].sends)).key}.{name}"] = draw(WORDS)
    return key, form


@given(any_form())
@settings(deadline=None)
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
