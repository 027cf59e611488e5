"""Review request: two weeks after the parcel came, stars to click; a week later once more, unless there was an answer."""

from app.flows.conditions import answered, has_email, money_went_back
from app.flows.vocabulary import Flow, On, Send, Wait

FLOW = Flow(
    key="review_request",
    title="Review request",
    priority="retention",
    trigger=On("order_fulfilled", when=(has_email(),), again_after_days=30),
    exits=(money_went_back(), answered()),
    steps=(
        Wait(days=14, since="delivered", transit_days=4),
        Send("ask", max_age_hours=24 * 7),
        Wait(days=7, since="step_before"),
        Send("ask_again", max_age_hours=24 * 7),
    ),
)
