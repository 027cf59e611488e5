"""Every page there is, with an address that shows it, or why it is no page; tests/house/test_pages.py knows the routes.

`{name}` in an address is filled in by tests/e2e/page_cast.py. A list of addresses shows one page in several states.
"""

CART = "/admin/flows/abandoned_cart"

# What is opened by a merchant, by staff, or by anybody.
MERCHANT: dict[str, list[str]] = {
    "admin.answers": ["/admin/answers"],
    "admin.coupons": ["/admin/coupons", "/admin/coupons?state=failed"],
    "admin.customers": ["/admin/customers"],
    "admin.customer": ["/admin/customers/{customer}"],
    "admin.customer_why": [f"/admin/customers/{{customer}}/why?flow={flow}" for flow in ("vip", "abandoned_cart")],
    "admin.flows": ["/admin/flows"],
    "admin.flow": ["/admin/flows/vip", CART],
    "admin.health": ["/admin/health"],
    "admin.mail": ["/admin/mails/{sent}", "/admin/mails/{skipped}", "/admin/mails/{unknown}"],
    "admin.mails": ["/admin/mails", "/admin/mails?state=failed"],
    "admin.message": [f"{CART}/messages/coupon", f"{CART}/messages/coupon?language=ar"],
    "admin.money": ["/admin/money"],
    "admin.rehearsal": [f"{CART}/rehearsals/{{rehearsal}}"],
    "admin.settings": ["/admin/settings"],
    "admin.show_link": ["{link}"],
    "admin.show_rehearsals": [f"{CART}/rehearsals", "/admin/flows/vip/rehearsals"],
    "admin.signed_out": ["/admin/signed-out"],
    "admin.versions": [f"{CART}/versions"],
    "admin.webhook": ["/admin/webhooks/{webhook}"],
    "admin.webhooks": ["/admin/webhooks", "/admin/webhooks?state=redacted&topic=x"],
}
STAFF: dict[str, list[str]] = {
    "support.audit_log": ["/support/audit"],
    "support.home": ["/support/"],
    "support.list_replays": ["/support/replays"],
    "support.mail": ["/support/mails/{unknown}"],
    "support.mails": ["/support/mails"],
    "support.people": ["/support/people"],
    "support.person": ["/support/people/{shop}/{customer}"],
    "support.person_why": ["/support/people/{shop}/{customer}/why?flow=abandoned_cart"],
    "support.proof": ["/support/proof"],
    "support.show_link": ["{staff_link}"],
    "support.show_replay": ["/support/replays/{replay}", "/support/replays/{foretold}"],
    "support.signed_out": ["/support/signed-out", "/support/signed-out?asked=1"],
    "support.team": ["/support/staff"],
    "support.webhook": ["/support/webhooks/{webhook}"],
    "support.webhooks": ["/support/webhooks", "/support/webhooks?shop={shop}"],
}
ANYBODY: dict[str, list[str]] = {
    "mailbox.index": ["/mailbox/"],
    "mailbox.show": ["/mailbox/{eml}", "/mailbox/{eml}?show=text", "/mailbox/{eml}?show=source"],
    "public.ask": ["/u/{token}", "/u/none"],
    "public.ask_to_confirm": ["/d/{confirm}", "/d/none"],
    "public.preferences_page": ["/p/{token}", "/p/none"],
    "public.sign_up_form": ["/signup/{form}"],
    "public.stars": ["/s/{stars}?stars=4", "/s/none"],
    "woocommerce.come_back": ["/woocommerce/return"],
    "woocommerce.show_progress": ["/woocommerce/connect/progress"],
    "woocommerce.start": ["/woocommerce/connect"],
}
# What shows an error, and how it is answered.
ERRORS: dict[str, int] = {
    "/nothing/here": 404, "/admin/mails/99999999": 404, "/admin/sign-in/none": 404, "/support/sign-in/none": 404,
    "/support/mails/99999999": 404, "/signup/none": 404, "/shopify/auth": 401,
}  # fmt: skip
NO_PAGES: dict[str, str] = {
    "static": "files", "admin.home": "leads on", "admin.seen": "a mail, shown in a frame", "public.click": "leads on",
    "public.opened": "a picture of one point", "health.alive": "for machines", "health.ready": "for machines",
    "health.metrics": "for machines", "mailbox.html_part": "a mail, shown in a frame", "mailbox.raw_file": "a file",
    "shopify.home": "leads on", "shopify.begin_grant": "leads on", "shopify.end_grant": "leads on",
    "shopify.bounce_page": "leads on by a script", "shopify.proxy": "for the shop's theme", "companion.download": "a file",
    "companion.renew": "leads on by a script", "companion.open_admin": "leads on",
}  # fmt: skip
