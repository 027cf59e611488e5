"""Checkouts that a platform lists without their token: whose they are, and what they are called when the token comes.

Such a checkout is known by the key in its recovery link, which is its token or its cart's. Until a webhook tells the token,
the key stands in its place; then the row, its runs and its events take the token, so that nobody enters a flow twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Update, or_, select, update
from sqlalchemy.orm import Session

from app.domain import events as e
from app.models import Checkout, Enrollment, EventRow
from app.models.bulk import one_of


@dataclass(slots=True)
class Links:
    """What is held of the checkouts in a batch: by the key of their links, and those that wait for their token."""

    by_key: dict[str, Checkout] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)  # key that stands for a token -> the token
    owners: set[int] = field(default_factory=set)  # whose lock a renaming needs

    def named(self, event: e.Event) -> e.Event:
        """Return the event by the name that is held, with what a list does not tell."""
        if not isinstance(event, e.CheckoutUpdated) or not event.is_by_link:
            return event
        held = self.by_key.get(event.object_id)
        if held is None:
            return replace(event, cart_token=event.object_id)
        person = replace(
            event.person,
            email=held.email or event.person.email,
            first_name=held.first_name or event.person.first_name,
            locale=held.locale or event.person.locale,
        )
        return replace(event, object_id=held.token, cart_token=held.cart_token, person=person)

    def rename(self, session: Session, shop_id: int) -> None:
        """Give checkouts their token. The caller holds the locks of their owners."""
        for key, token in self.tokens.items():
            mine = (Checkout.shop_id == shop_id, Checkout.token == key)
            session.execute(_quietly(update(Checkout).where(*mine).values(token=token)))
            runs = (Enrollment.shop_id == shop_id, Enrollment.subject_key == "checkout", Enrollment.episode == key)
            session.execute(_quietly(update(Enrollment).where(*runs).values(episode=token)))
            told = (EventRow.shop_id == shop_id, EventRow.kind == e.CheckoutUpdated.kind, EventRow.object_id == key)
            session.execute(_quietly(update(EventRow).where(*told).values(object_id=token)))


def links(session: Session, shop_id: int, found: Sequence[e.Event]) -> Links:
    """Look up the checkouts of a batch. The caller holds the shop's ingest lock, so none of them is made meanwhile."""
    checkouts = [c for c in found if isinstance(c, e.CheckoutUpdated)]
    keys = {c.object_id for c in checkouts if c.is_by_link}
    token_of = {c.cart_token: c.object_id for c in checkouts if c.cart_token and c.cart_token != c.object_id}
    if not (keys or token_of):
        return Links()
    wanted = {*keys, *token_of, *token_of.values()}
    rows = session.scalars(
        select(Checkout).where(
            Checkout.shop_id == shop_id, or_(one_of(Checkout.token, wanted), one_of(Checkout.cart_token, keys))
        ),
        execution_options={"populate_existing": True},
    ).all()
    held = {row.token: row for row in rows}
    # A token that is held already keeps its row; the newest of the two is followed, as of any two open checkouts.
    named = {cart: token for cart, token in token_of.items() if cart in held and token not in held}
    return Links(
        by_key={key: row for row in rows for key in (row.token, row.cart_token) if key in keys},
        tokens={key: token for key, token in named.items() if held[key].cart_token == key},
        owners={row.customer_id for key in named if (row := held[key]).customer_id},
    )


def _quietly(statement: Update) -> Update:
    return statement.execution_options(synchronize_session=False)
