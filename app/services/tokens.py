"""The secrets with which a shop is called: read, kept together, and renewed by one worker at a time (D11).

Everything here lives by real time, also in the demo: a shop's platform does not skip ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.ports import Tokens
from app.models import Shop, ShopState, ShopToken, TokenKind
from app.services import audit

RENEW_BEFORE = timedelta(minutes=5)  # before its end; longer than any call takes
LEASE = timedelta(seconds=60)  # two tries of a call that ends after 23 seconds
KEEP_ALIVE = timedelta(days=7)  # a refresh token that nobody uses for 90 days is dead
LOOK_AGAIN = timedelta(hours=1)  # after a renewal that failed
_SOME = 20  # shops kept alive in one go


@dataclass(frozen=True, slots=True)
class Renewal:
    """The right to renew a shop's tokens until the lease ends."""

    refresh_token: str = field(repr=False)
    fence: int


@dataclass(frozen=True, slots=True)
class Held:
    """What we hold of a shop. `left` is how long its access token still lives; None when it has no end."""

    shop: Shop
    secrets: dict[str, str] = field(repr=False)
    left: timedelta | None
    renewal: Renewal | None = None

    @property
    def access_token(self) -> str:
        """The access token; empty when there is none."""
        return self.secrets.get(TokenKind.ACCESS_TOKEN, "")

    def lives(self, longer_than: timedelta) -> bool:
        """Say whether the access token still lives for longer than this."""
        return bool(self.access_token) and (self.left is None or self.left > longer_than)


def read(session: Session, shop_id: int) -> Held | None:
    """Return what we hold of a shop, with its secrets in clear: they go nowhere but into a call. None: there is no shop."""
    shop = session.scalar(select(Shop).where(Shop.id == shop_id), execution_options={"populate_existing": True})
    if shop is None:
        return None
    rows = session.execute(
        select(ShopToken.kind, ShopToken.secret, ShopToken.expires_at, func.now()).where(ShopToken.shop_id == shop_id)
    ).all()
    secrets = {kind: crypto.decrypt(shop_id, sealed) for kind, sealed, _, _ in rows}
    left = [ends - now for kind, _, ends, now in rows if kind == TokenKind.ACCESS_TOKEN and ends is not None]
    return Held(shop, secrets, left[0] if left else None)


def lease(session: Session, shop_id: int, *, refused: str | None = None) -> Held | None:
    """Return what we hold, with the right to renew it if nobody has that right and it must be renewed.

    Args:
        session: in a transaction that ends before the far side is called.
        shop_id: the shop.
        refused: an access token that the shop refused, which must be renewed whatever its end.
    """
    row = session.scalar(_refresh_token(shop_id).with_for_update(), execution_options={"populate_existing": True})
    held = read(session, shop_id)
    if row is None or held is None or (held.lives(RENEW_BEFORE) and held.access_token != refused):
        return held
    if row.lease_until is not None and row.lease_until >= session.execute(select(func.now())).scalar_one():
        return held
    row.lease_until, row.fence = session.scalar(select(func.now() + LEASE)), row.fence + 1
    session.flush()
    return Held(held.shop, held.secrets, held.left, Renewal(held.secrets[TokenKind.REFRESH_TOKEN], row.fence))


def release(session: Session, shop_id: int, renewal: Renewal) -> None:
    """Give the right to renew back after a try that came to nothing; the tokens stay as they are."""
    session.execute(_ours(shop_id, renewal).values(lease_until=None, due_at=func.now() + LOOK_AGAIN))


def keep_renewed(session: Session, shop_id: int, renewal: Renewal, tokens: Tokens) -> bool:
    """Store renewed tokens, both halves at once; False when somebody else has stored newer ones since."""
    if not session.execute(_ours(shop_id, renewal).values(fence=ShopToken.fence).returning(ShopToken.id)).first():
        return False
    keep(session, shop_id, tokens)
    revived = update(Shop).where(Shop.id == shop_id, Shop.state == ShopState.RECONNECT).values(state=ShopState.ACTIVE)
    if session.execute(revived.returning(Shop.id)).first():
        _audit(session, shop_id, "shop.reconnected")
    return True


def keep(session: Session, shop_id: int, tokens: Tokens) -> None:
    """Store a pair of tokens with both ends; whoever is renewing the old pair at this moment has lost the right to."""
    now = func.now()
    _put(session, shop_id, TokenKind.ACCESS_TOKEN, tokens.access_token, expires_at=now + tokens.expires_in)
    _put(
        session, shop_id, TokenKind.REFRESH_TOKEN, tokens.refresh_token,
        expires_at=now + tokens.refresh_expires_in, due_at=now + KEEP_ALIVE,
    )  # fmt: skip
    session.execute(update(Shop).where(Shop.id == shop_id).values(scopes=",".join(tokens.scopes)))


def lose(session: Session, shop_id: int, *, access_token: str, renewal: Renewal | None, is_for_good: bool) -> bool:
    """Note that the shop's tokens no longer work: only its own mails wait now, until its merchant comes by.

    Args:
        session: the transaction.
        shop_id: the shop.
        access_token: the one that was held; another one since then means that the shop was connected again.
        renewal: the right under which a renewal was refused.
        is_for_good: whether the tokens can be thrown away; else the renewal is tried again every hour.

    Returns:
        Whether it was so; False when the shop was connected again meanwhile.
    """
    row = session.scalar(_refresh_token(shop_id).with_for_update(), execution_options={"populate_existing": True})
    held = read(session, shop_id)
    if held is None or held.access_token != access_token or (renewal and row and row.fence != renewal.fence):
        return False
    if is_for_good:
        forget(session, shop_id)
    elif row is not None:
        row.lease_until, row.due_at = None, session.scalar(select(func.now() + LOOK_AGAIN))
    lost = update(Shop).where(Shop.id == shop_id, Shop.state == ShopState.ACTIVE).values(state=ShopState.RECONNECT)
    if session.execute(lost.returning(Shop.id)).first():
        _audit(session, shop_id, "shop.needs_reconnect")
    return True


def forget(session: Session, shop_id: int) -> None:
    """Throw all secrets of a shop away."""
    session.execute(delete(ShopToken).where(ShopToken.shop_id == shop_id))


def idle(session: Session) -> Sequence[int]:
    """Return some shops whose tokens are to be renewed though nobody asked."""
    return session.scalars(_idle().order_by(ShopToken.due_at).limit(_SOME)).all()


def is_any_idle(session: Session) -> bool:
    """Say whether there is such a shop."""
    return session.scalar(_idle().limit(1)) is not None


def _idle() -> Any:
    free = or_(ShopToken.lease_until.is_(None), ShopToken.lease_until < func.now())
    return select(ShopToken.shop_id).where(ShopToken.due_at <= func.now(), free)


def _put(session: Session, shop_id: int, kind: TokenKind, secret: str, **ends: Any) -> None:
    values = {"secret": crypto.encrypt(shop_id, secret), "updated_at": func.now(), "lease_until": None, **ends}
    statement = insert(ShopToken).values(shop_id=shop_id, kind=kind, **values)
    session.execute(
        statement.on_conflict_do_update(index_elements=["shop_id", "kind"], set_={**values, "fence": ShopToken.fence + 1})
    )


def _refresh_token(shop_id: int) -> Any:
    return select(ShopToken).where(ShopToken.shop_id == shop_id, ShopToken.kind == TokenKind.REFRESH_TOKEN)


def _ours(shop_id: int, renewal: Renewal) -> Any:
    return (
        update(ShopToken)
        .where(ShopToken.shop_id == shop_id, ShopToken.kind == TokenKind.REFRESH_TOKEN, ShopToken.fence == renewal.fence)
        .execution_options(synchronize_session=False)
    )


def _audit(session: Session, shop_id: int, action: str) -> None:
    audit.record(session, shop_id, actor="platform", action=action, object_kind="shop", object_id=shop_id)
