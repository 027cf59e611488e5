"""Welcome: a gift for the first order to whoever agreed to marketing mail, then who we are, what people like, a reminder."""

from app.flows.conditions import has_email, has_open_cart, never_bought, no_longer_fits, ordered
from app.flows.vocabulary import Branch, Flow, On, Percent, Send, Wait

FLOW = Flow(
    key="welcome",
    title="Welcome",
    priority="welcome",
    trigger=On("customer_subscribed", when=(has_email(), never_bought())),
    # Also by an order that is told late, or bears the second in which they agreed: a first order has no second gift.
    exits=(ordered(), no_longer_fits()),
    steps=(
        # Somebody at the till is not interrupted.
        Branch(has_open_cart(), then=(Wait(hours=1, since="entered"),)),
        Send("hello", coupon=Percent(10, valid_hours=24 * 8)),
        Wait(days=2, since="step_before"),
        Send("story"),
        Wait(days=2, since="step_before"),
        Send("favourites"),
        Wait(days=3, since="step_before"),
        Send("gift_reminder"),
    ),
)
