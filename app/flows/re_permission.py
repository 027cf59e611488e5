"""Re-permission: who left all marketing mail unanswered for half a year is asked, once, whether mail is still wanted."""

from app.flows.conditions import has_email, has_fallen_silent, no_longer_fits
from app.flows.vocabulary import Flow, On, Send

FLOW = Flow(
    key="re_permission",
    title="Still interested",
    priority="promo",
    trigger=On("customer_silent", when=(has_email(), has_fallen_silent()), again_after_days=180),
    exits=(no_longer_fits(),),
    # What follows is no step: without a sign of life, marketing ends 14 days after it (app/domain/sunset.py).
    steps=(Send("still_wanted", max_age_hours=24 * 7),),
)
