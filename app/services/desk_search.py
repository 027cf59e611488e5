"""What a word leads to in all shops: webhooks and people.

Each way walks an index of one shop after the other: keys begin with the shop, and nothing finds a row by its word alone.
"""

from typing import Any

from sqlalchemy import Select, literal, select, true, union_all
from sqlalchemy.orm import Session

from app.domain.events import Event
from app.domain.people import normalise_email
from app.models import NO_SHOP, Customer, CustomerIdentity, EventRow, Order, Shop, Webhook

MOST_FOUND = 200  # webhooks that a search leads to
PEOPLE_MOST = 50
KINDS = tuple(sorted(event.kind for event in Event.__subclasses__()))
Key = tuple[int, int]  # shop and id


def webhooks(session: Session, words: str, shop_id: int | None) -> list[Key]:
    """Return the keys of webhooks that a word leads to, the newest first.

    Args:
        session: as the owner.
        words: our own id, the platform's id of the webhook or of what it told, an order's number, or an address.
        shop_id: None for all.
    """
    word = words.strip()
    shops = _shops(shop_id)
    ways = [_by_key(shops, word), _by_delivery(shops, word), _by_object(shops, word), _by_order(shops, word)]
    if word.isascii() and word.isdecimal():
        ways.append(_in_each(shops, select(Webhook.id).where(Webhook.shop_id == shops.c.id, Webhook.id == int(word[:18]))))
    if email := normalise_email(word):
        ways.append(_by_address(shops, email))
    found = union_all(*ways).subquery()
    owner, webhook_id = found.c
    newest = select(owner, webhook_id).where(webhook_id.is_not(None)).distinct().order_by(webhook_id.desc())
    return [(owner, webhook_id) for owner, webhook_id in session.execute(newest.limit(MOST_FOUND))]


def people(session: Session, words: str) -> list[Customer]:
    """Return the people whom an address or a platform's customer id leads to, in all shops."""
    word = words.strip()
    shops = _shops(None)
    query = select(CustomerIdentity.customer_id).where(
        CustomerIdentity.shop_id == shops.c.id,
        CustomerIdentity.kind.in_(["email", "id"]),
        CustomerIdentity.value == (normalise_email(word) or word),
    )
    keys = {(row[0], row[1]) for row in session.execute(_in_each(shops, query).limit(PEOPLE_MOST))}
    return [found for key in sorted(keys) if (found := session.get(Customer, key)) is not None]


def _shops(shop_id: int | None) -> Any:
    if shop_id is not None:
        return select(Shop.id, Shop.platform).where(Shop.id == shop_id).subquery("shops_asked")
    nobody = select(literal(NO_SHOP), literal(""))  # what came from a shop that is not ours
    return select(Shop.id, Shop.platform).union_all(nobody).subquery("shops_asked")


def _in_each(shops: Any, query: Select[Any]) -> Select[Any]:
    """Ask the same of each shop; the limit makes the database go from shop to shop."""
    each = query.limit(MOST_FOUND).correlate(shops).lateral()
    return select(shops.c.id, *each.c).select_from(shops.join(each, true()))


def _by_key(shops: Any, word: str) -> Select[Any]:
    """Find a webhook by the id that its platform gave it, where that is what makes it one."""
    mine = (Webhook.shop_id == shops.c.id, Webhook.platform == shops.c.platform)
    return _in_each(shops, select(Webhook.id).where(*mine, Webhook.dedupe_key == word))


def _by_delivery(shops: Any, word: str) -> Select[Any]:
    """Find it by that id where the dedupe key is another one."""
    mine = (Webhook.shop_id == shops.c.id, Webhook.delivery_id != Webhook.dedupe_key)
    return _in_each(shops, select(Webhook.id).where(*mine, Webhook.delivery_id == word))


def _by_object(shops: Any, word: str) -> Select[Any]:
    """Find what told of an order, a cart, a customer or a product of this id."""
    return _in_each(shops, _telling(shops, EventRow.object_id == word))


def _by_order(shops: Any, word: str) -> Select[Any]:
    numbers = [word, word.removeprefix("#"), f"#{word}"]
    orders = select(Order.external_id).where(Order.shop_id == shops.c.id, Order.number.in_(numbers)).limit(MOST_FOUND)
    order = orders.correlate(shops).lateral()
    told = _telling(shops, EventRow.object_id == order.c.external_id).limit(MOST_FOUND).correlate(shops, order).lateral()
    return select(shops.c.id, *told.c).select_from(shops.join(order, true()).join(told, true()))


def _by_address(shops: Any, email: str) -> Select[Any]:
    mine = (CustomerIdentity.shop_id == shops.c.id, CustomerIdentity.kind == "email", CustomerIdentity.value == email)
    person = select(CustomerIdentity.customer_id).where(*mine).limit(1).correlate(shops).lateral()
    told = (
        select(EventRow.webhook_id)
        .where(EventRow.shop_id == shops.c.id, EventRow.customer_id == person.c.customer_id)
        .order_by(EventRow.happened_at.desc())
        .limit(MOST_FOUND)
        .correlate(shops, person)
        .lateral()
    )
    return select(shops.c.id, *told.c).select_from(shops.join(person, true()).join(told, true()))


def _telling(shops: Any, of: Any) -> Select[Any]:
    """Return the webhooks that told of an object, of whatever kind it is: the index asks for the kind."""
    return select(EventRow.webhook_id).where(EventRow.shop_id == shops.c.id, EventRow.kind.in_(KINDS), of)
