"""VIP: who bought much in twelve months gets thanks and a perk, early access each month, and a word before it ends."""

from app.flows.conditions import any_of, has_email, no_longer_fits, orders_in_a_year, spent_in_a_year, will_fit_in_days
from app.flows.vocabulary import Branch, Flow, On, Percent, Repeat, Send, Tag, Wait

FLOW = Flow(
    key="vip",
    title="VIP",
    priority="retention",
    trigger=On(
        "customer_ordered",
        when=(has_email(), any_of(spent_in_a_year(50_000), orders_in_a_year(4))),
        again_after_days=30,
    ),
    exits=(no_longer_fits(),),
    steps=(
        Tag("vip"),
        Wait(hours=1, since="entered"),
        Send("thanks", coupon=Percent(15, valid_hours=24 * 30)),
        Repeat(
            24,
            (
                Wait(days=30, since="step_before"),
                Branch(
                    will_fit_in_days(73),  # a fifth of the year is left
                    then=(Send("early_access"),),
                    otherwise=(Send("drop_out_warning"), Wait(days=73, since="step_before")),
                ),
            ),
        ),
    ),
    at_end=(Tag("vip", is_given=False),),
)
