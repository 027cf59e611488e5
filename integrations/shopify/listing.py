"""Ask Shopify what changed: short calls, each tried once, because the cursor's row is the retry."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.domain.errors import Ambiguous, BadPayload
from app.domain.events import Event
from app.domain.polling import Count, Kind, Page, WebhookHealth
from app.domain.ports import ShopAccess
from integrations.http import dig
from integrations.shopify.answers import word
from integrations.shopify.client import AdminClient
from integrations.shopify.errors import TooCostly
from integrations.shopify.respelled import (
    Node,
    nodes,
    read_checkout_node,
    read_customer_node,
    read_order_node,
    read_product_node,
)
from integrations.shopify.topics import TOPICS

_TYPES: Final = {Kind.ORDERS: "Order", Kind.CUSTOMERS: "Customer", Kind.PRODUCTS: "Product"}
_LONGEST_LINES = 150  # lines of one order that are asked for at once


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """How a kind is listed: its operation, where the list lies, how many at once, how it is counted and translated."""

    operation: str
    path: str
    first: int
    count: str
    counted: str
    counts: str = ""  # what is counted of all
    read: Callable[[Node], list[Event]]


# So many at once that a page costs less than the 1,000 points that Shopify gives a query, by its published prices.
_LISTS: Final = {
    Kind.ORDERS: _List(
        operation="OrdersSince", path="orders", first=4, count="CountOrders", counted="ordersCount", read=read_order_node
    ),
    Kind.CHECKOUTS: _List(
        operation="AbandonedCheckouts", path="abandonedCheckouts", first=5, count="CountCheckouts",
        counted="abandonedCheckoutsCount", counts="recovery_state:not_recovered", read=read_checkout_node,
    ),
    Kind.CUSTOMERS: _List(
        operation="CustomersSince", path="customers", first=100, count="CountCustomers", counted="customersCount",
        read=read_customer_node,
    ),
    Kind.PRODUCTS: _List(
        operation="Products", path="products", first=9, count="CountProducts", counted="productsCount",
        read=read_product_node,
    ),
}  # fmt: skip


def changed_since(access: ShopAccess, kind: Kind, since: datetime | None, cursor: str | None) -> Page:
    """Return a page of what changed, as the port says. A page that costs too much is halved, and stays so for the run."""
    listed = _LISTS[kind]
    first, after = _read_cursor(cursor, listed.first)
    query = f"updated_at:>='{_iso(since)}'" if since else None
    with _client(access) as client:
        while True:
            try:
                data = client.run(listed.operation, {"first": first, "after": after, "q": query}).data
                break
            except TooCostly:
                if first == 1:
                    raise
                first //= 2
        found = [_whole(client, kind, node) for node in nodes(data.get(listed.path))]
    events, unread = _translate(found, listed.read)
    return Page(events=events, objects=len(found), next=_next(data.get(listed.path), first, after), unread=unread)


def count(access: ShopAccess, kind: Kind, since: datetime | None) -> Count | None:
    """Return how many there are, as the port says."""
    listed = _LISTS[kind]
    terms = [listed.counts] if listed.counts else []
    terms += [f"created_at:>='{_iso(since)}'"] if since else []
    with _client(access) as client:
        told = client.run(listed.count, {"q": " ".join(terms) or None}).data.get(listed.counted)
    number = dig(told, "count")
    return Count(number=number, is_exact=dig(told, "precision") == "EXACT") if isinstance(number, int) else None


def gone(access: ShopAccess, kind: Kind, ids: Sequence[str]) -> frozenset[str]:
    """Return which of these Shopify has no longer, as the port says; a checkout cannot be asked for by its token."""
    if kind not in _TYPES:
        return frozenset()
    wanted = [f"gid://shopify/{_TYPES[kind]}/{each}" for each in ids]
    with _client(access) as client:
        answer = client.run("Existing", {"ids": wanted})
    found = answer.data.get("nodes")
    if answer.denied or not isinstance(found, list) or len(found) != len(wanted):
        return frozenset()  # a null that may mean "not allowed" says nothing about the shop
    return frozenset(each for each, node in zip(ids, found, strict=True) if node is None)


def webhook_health(access: ShopAccess, address: str) -> WebhookHealth:
    """Compare the subscriptions with `topics.TOPICS`; they are made by shopify.app.toml, so nothing is set right here."""
    with _client(access) as client:
        told = [(s.get("topic"), s.get("uri")) for s in client.pages("Webhooks", {}, "webhookSubscriptions")]
    sent = {topic for topic, uri in told if uri == address}
    wanted = {topic: topic.upper().replace("/", "_").replace(".", "_") for topic in TOPICS}
    return WebhookHealth(missing=tuple(topic for topic, enum in wanted.items() if enum not in sent))


def _client(access: ShopAccess) -> AdminClient:
    return AdminClient(access, patience=timedelta(0))


def _whole(client: AdminClient, kind: Kind, node: Node) -> Node:
    """Return an order with all its lines: those that did not fit on the page are asked for."""
    lines = node.get("lineItems")
    if kind is not Kind.ORDERS or dig(lines, "pageInfo", "hasNextPage") is not True:
        return node
    rest = client.pages("OrderLines", {"id": node.get("id"), "first": _LONGEST_LINES}, "order.lineItems")
    return {**node, "lineItems": {"nodes": list(rest)}}


def _translate(found: list[Node], read: Callable[[Node], list[Event]]) -> tuple[list[Event], tuple[str, ...]]:
    events: list[Event] = []
    unread = []
    for node in found:
        try:
            events += read(node)
        except BadPayload as exc:
            unread.append(f"{word(str(node.get('id')).rpartition('shopify/')[2])}: {exc}")
    return events, tuple(unread)


def _next(connection: object, first: int, after: str | None) -> str | None:
    info = dig(connection, "pageInfo")
    if dig(info, "hasNextPage") is not True:
        return None
    end = dig(info, "endCursor")
    if not isinstance(end, str) or not end or end == after:
        raise Ambiguous("Shopify's list does not go on where it says it does.")
    return f"{first} {end}"


def _read_cursor(cursor: str | None, first: int) -> tuple[int, str | None]:
    if cursor is None:
        return first, None
    size, _, after = cursor.partition(" ")
    return int(size), after


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
