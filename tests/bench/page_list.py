"""The pages that the bench asks for: every merchant's page and every page of the desk that reads rows."""

from dataclasses import dataclass
from typing import Any

import psycopg

MERCHANT, STAFF = "merchant", "staff"


@dataclass(frozen=True, slots=True)
class Page:
    """One page; with a form it is a search, which goes by POST."""

    name: str
    path: str
    form: tuple[tuple[str, str], ...] = ()
    who: str = MERCHANT


def merchant_pages(connection: psycopg.Connection[Any], shop_id: int) -> list[Page]:
    """Return the pages of a shop, deep ones from the middle of its rows."""
    ids = _ids(connection, shop_id)
    topics = "/admin/webhooks?topic"
    return [
        Page("flows, the first page of all", "/admin/flows"),
        Page("one flow", "/admin/flows/abandoned_cart"),
        Page("its versions", "/admin/flows/abandoned_cart/versions"),
        Page("one of its mails", "/admin/flows/abandoned_cart/messages/reminder"),
        Page("money", "/admin/money"),
        Page("webhooks, with the histogram", "/admin/webhooks"),
        Page("webhooks, deep", f"/admin/webhooks?before={ids['webhook_deep']}"),
        Page("webhooks, failed", "/admin/webhooks?state=failed"),
        Page("webhooks, failed, deep", f"/admin/webhooks?state=failed&before={ids['webhook_deep']}"),
        Page("webhooks, of a common topic", f"{topics}=orders/create"),
        Page("webhooks, of a topic that is not there", f"{topics}=refunds/create"),
        Page("webhooks, failed, of a topic that is not there", f"{topics}=refunds/create&state=failed"),
        Page("one webhook", f"/admin/webhooks/{ids['webhook']}"),
        Page("mails", "/admin/mails"),
        Page("mails, deep", f"/admin/mails?before={ids['mail_deep']}"),
        Page("mails, unknown", "/admin/mails?state=unknown"),
        Page("mails, waiting, and there are none", "/admin/mails?state=pending"),
        Page("one mail and why", f"/admin/mails/{ids['mail']}"),
        Page("customers", "/admin/customers"),
        Page("customers, deep", f"/admin/customers?before={ids['customer_deep']}"),
        Page("customers, by the beginning of an address", "/admin/customers", (("q", "shopper77"),)),
        Page("customers, by a common first name", "/admin/customers", (("q", "maya"),)),
        Page("customers, by both names", "/admin/customers", (("q", "maya last12"),)),
        Page("customers, by a name that nobody has", "/admin/customers", (("q", "maya nobody"),)),
        Page("customers, nobody fits", "/admin/customers", (("q", "zzzz"),)),
        Page("a person", f"/admin/customers/{ids['person']}"),
        Page("the person with most orders", f"/admin/customers/{ids['faithful']}"),
        Page("the same, deep in the timeline", f"/admin/customers/{ids['faithful']}?before={ids['place']}"),
        Page("the same, why", f"/admin/customers/{ids['faithful']}/why?flow=abandoned_cart"),
        Page("coupons", "/admin/coupons"),
        Page("coupons, deep", f"/admin/coupons?before={ids['coupon_deep']}"),
        Page("coupons, redeemed", "/admin/coupons?state=redeemed"),
        Page("coupons, failed, and there are none", "/admin/coupons?state=failed"),
        Page("coupons, by code", f"/admin/coupons?code={ids['code']}"),
        Page("answers", "/admin/answers"),
        Page("health", "/admin/health"),
        Page("settings", "/admin/settings"),
    ]


def desk_pages(connection: psycopg.Connection[Any], shop_id: int) -> list[Page]:
    """Return the pages of the desk; those about one shop are about the large one."""
    ids = _ids(connection, shop_id)
    pages = {
        "overview": "/support/",
        "webhooks of all shops": "/support/webhooks",
        "webhooks, deep": f"/support/webhooks?before={ids['webhook_deep']}",
        "webhooks, failed": "/support/webhooks?state=failed",
        "webhooks, of a common topic": "/support/webhooks?topic=orders/create",
        "webhooks, of a topic that is not there": "/support/webhooks?topic=refunds/create",
        "webhooks, by our id": f"/support/webhooks?q={ids['webhook']}",
        "webhooks, by the number of an order": "/support/webhooks?q=%231500",
        "webhooks, by an address": f"/support/webhooks?q=shopper{ids['number']}@example.com",
        "webhooks, by the platform's id": "/support/webhooks?q=d5000",
        "webhooks, by a word that leads nowhere": "/support/webhooks?q=nowhere",
        "webhooks of one shop, with the histogram": f"/support/webhooks?shop={shop_id}",
        "webhooks of one shop, by a word that leads nowhere": f"/support/webhooks?shop={shop_id}&q=nowhere",
        "one webhook, and the one before": f"/support/webhooks/{ids['webhook']}",
        "mails of all shops": "/support/mails",
        "mails, deep": f"/support/mails?before={ids['mail_deep']}",
        "mails, unknown": "/support/mails?state=unknown",
        "mails, waiting, and there are none": "/support/mails?state=pending",
        "one mail and why": f"/support/mails/{ids['mail']}",
        "a person": f"/support/people/{shop_id}/{ids['person']}",
        "the person with most orders": f"/support/people/{shop_id}/{ids['faithful']}",
        "the same, why": f"/support/people/{shop_id}/{ids['faithful']}/why?flow=abandoned_cart",
        "replays": "/support/replays",
        "audit log": "/support/audit",
        "proof of a day": "/support/proof",
        "proof of 30 days": "/support/proof?days=30",
        "staff": "/support/staff",
    }
    searches = {
        "people, by address": f"shopper{ids['number']}@example.com",
        "people, nobody fits": "nobody@example.com",
    }
    return [Page(name, path, (), STAFF) for name, path in pages.items()] + [
        Page(name, "/support/people", (("q", words),), STAFF) for name, words in searches.items()
    ]


def _ids(connection: psycopg.Connection[Any], shop_id: int) -> dict[str, Any]:
    """Look up what the addresses name."""

    def one(query: str) -> Any:
        row = connection.execute(query, (shop_id,)).fetchone()
        assert row is not None, query
        return row[0]

    middle = "SELECT (min(id) + max(id)) / 2 FROM {} WHERE shop_id = %s"
    newest = "SELECT id FROM {} WHERE shop_id = %s AND {} ORDER BY id DESC LIMIT 1"
    person = one("SELECT customer_id FROM enrollments WHERE shop_id = %s AND state = 'active' ORDER BY id DESC LIMIT 1")
    return {
        "webhook": one(newest.format("webhooks", "state = 'done' AND topic = 'checkouts/update'")),
        "webhook_deep": one(middle.format("webhooks")),
        "mail": one(newest.format("deliveries", "step = 'coupon' AND state = 'sent'")),
        "mail_deep": one(middle.format("deliveries")),
        "customer_deep": one(middle.format("customers")),
        "coupon_deep": one(middle.format("coupons")),
        "code": one("SELECT code FROM coupons WHERE shop_id = %s ORDER BY id LIMIT 1"),
        "person": person,
        "number": one(f"SELECT substring(email FROM '[0-9]+') FROM customers WHERE shop_id = %s AND id = {person}"),
        "faithful": one("SELECT min(id) FROM customers WHERE shop_id = %s"),
        "place": one(
            "SELECT (extract(epoch FROM now() - interval '30 days') * 1000000)::bigint || '-2-1' FROM shops WHERE id = %s"
        ),
    }
