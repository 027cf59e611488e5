"""After the purchase: a new customer gets thanks, tips and a coupon for the second order, one who came back plain thanks."""

from app.flows.conditions import has_email, is_first_order, order_undone, ordered
from app.flows.vocabulary import Branch, Flow, On, Percent, Send, Wait

FLOW = Flow(
    key="post_purchase",
    title="Post-purchase",
    message_class="transactional",
    priority="retention",
    trigger=On("order_paid", when=(has_email(),)),
    exits=(ordered(), order_undone()),
    steps=(
        Wait(days=1, since="entered"),
        Branch(
            is_first_order(),
            then=(
                Send("thanks_first"),
                Wait(days=7, since="entered"),
                Send("tips"),
                Wait(days=21, since="entered"),
                # Its own class: a coupon is marketing, whatever the mails around it are.
                Send("promotion", coupon=Percent(10, valid_hours=24 * 14), message_class="marketing"),
            ),
            otherwise=(Send("thanks_again"),),
        ),
    ),
)
