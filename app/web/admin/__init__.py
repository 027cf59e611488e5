"""The merchant's pages: flows, mails, webhooks, and the way in; importing them hangs their routes on the blueprint."""

from app.web.admin import (
    answers,
    coupons,
    customers,
    flow_page,
    flows,
    health,
    mails,
    message_view,
    messages,
    money,
    rehearsals,
    settings,
    signin,
    versions,
    webhooks,
)
from app.web.admin.door import blueprint

__all__ = [
    "answers",
    "blueprint",
    "coupons",
    "customers",
    "flow_page",
    "flows",
    "health",
    "mails",
    "message_view",
    "messages",
    "money",
    "rehearsals",
    "settings",
    "signin",
    "versions",
    "webhooks",
]
