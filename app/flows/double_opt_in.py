"""Double opt-in: whoever signs up proves that the address is theirs; one reminder, then silence."""

from app.flows.conditions import has_email, opt_in_ended
from app.flows.vocabulary import Flow, On, Send, Wait

FLOW = Flow(
    key="double_opt_in",
    title="Double opt-in",
    message_class="transactional",
    priority="transactional",
    trigger=On("opt_in_asked", when=(has_email(),)),
    exits=(opt_in_ended(),),
    steps=(
        Send("confirm", max_age_hours=24),
        Wait(hours=24, since="entered"),
        Send("confirm_reminder", max_age_hours=48),
    ),
)
