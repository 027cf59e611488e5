"""Abandoned cart: a reminder one hour after the checkout stalls, a coupon a day later."""

from app.flows.conditions import cart_emptied, cart_is_not_empty, has_email, ordered, superseded
from app.flows.vocabulary import Flow, On, Percent, Send, Wait

FLOW = Flow(
    key="abandoned_cart",
    title="Abandoned cart",
    priority="recovery",
    trigger=On("checkout_updated", when=(has_email(), cart_is_not_empty())),
    exits=(ordered(), cart_emptied(), superseded()),
    steps=(
        Wait(hours=1, since="last_activity"),
        Send("reminder", max_age_hours=6),
        Wait(hours=24, since="last_activity"),
        Send("coupon", coupon=Percent(10, valid_hours=48), max_age_hours=48),
    ),
)
