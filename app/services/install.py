"""Make a shop ours: its row, its secrets, its flows."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from app import crypto
from app.domain.errors import Refused
from app.domain.ports import Tokens
from app.flows import FLOWS
from app.flows.vocabulary import to_json
from app.models import FlowSettings, FlowVersion, Shop, ShopState, ShopToken, TokenKind
from app.services import audit, connections, mail_pace, reconcile, sender_checks, tokens

HASH_KEY_BYTES = 32
ASK_AGAIN = timedelta(minutes=5)  # for rights that the merchant may have granted since


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopFacts:
    """What is known about a shop when it is connected; everything has a value that works."""

    name: str
    sender_email: str
    currency: str = "USD"
    timezone: str = "UTC"
    locale: str = "en"
    postal_address: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a shop stands when somebody opens our pages in its back office; `token_age` is None when we hold no token."""

    shop_id: int | None
    state: ShopState
    scopes: frozenset[str]
    token_age: timedelta | None

    def needs_tokens(self, *, lacks_scopes: bool) -> bool:
        """Say whether tokens must be asked for before a page is shown; for missing rights alone, once in a while."""
        if self.state in {ShopState.UNINSTALLED, ShopState.RECONNECT} or self.token_age is None:
            return True
        return lacks_scopes and self.token_age > ASK_AGAIN


def connect_shopify(
    session: Session, domain: str, access_token: str, facts: ShopFacts, *, actor: str, now: datetime
) -> Shop:
    """Connect a Shopify shop, or connect it again; its webhooks are signed with the app's client secret."""
    shop = _upsert(session, "shopify", domain.lower(), f"https://{domain.lower()}", facts, now=now)
    _keep(session, shop, {TokenKind.ACCESS_TOKEN: access_token})
    audit.record(session, shop.id, actor=actor, action="shop.connected", object_kind="shop", object_id=shop.id)
    return shop


def install_shopify(
    session: Session, domain: str, fresh: Tokens, facts: ShopFacts, *, now: datetime, real_now: datetime
) -> Shop:
    """Take in a shop that let us in, for the first time, again, or with other rights; this never fails for what we hold.

    A shop that was paused stays paused; one that was removed, or whose tokens had died, is worked for from now on.

    Args:
        session: the transaction.
        domain: as the verified token names it.
        fresh: its tokens.
        facts: what the shop is called until a job has asked it.
        now: the house's time.
        real_now: not the demo's; the job looks for this.
    """
    shop = _locked(session, "shopify", domain)
    if shop is None:
        shop = _made(session, "shopify", domain, f"https://{domain}", facts, now=now)
        mail_pace.use_defaults(shop)
    if shop.state == ShopState.UNINSTALLED:
        _begin(session, shop, now=now)
        shop.facts_due_at = real_now
        audit.record(session, shop.id, actor="merchant", action="shop.installed", object_kind="shop", object_id=shop.id)
    elif shop.state == ShopState.RECONNECT:
        shop.state = ShopState.ACTIVE
        audit.record(session, shop.id, actor="merchant", action="shop.reconnected", object_kind="shop", object_id=shop.id)
    session.flush()
    tokens.keep(session, shop.id, fresh)
    return shop


def connect_woocommerce(
    session: Session,
    url: str,
    *,
    key: str,
    secret: str,
    webhook_secret: str,
    facts: ShopFacts,
    actor: str,
    now: datetime,
    is_by_merchant: bool = False,
) -> Shop:
    """Connect a WooCommerce shop, or connect it again; its webhook address keeps its unguessable part.

    One that a merchant connects for the first time begins with quiet hours, caps and a comparison group.

    Raises:
        Refused: the address is not that of a shop.
    """
    domain = _woocommerce_domain(url)
    shop = _upsert(session, "woocommerce", domain, url.rstrip("/"), facts, now=now, is_by_merchant=is_by_merchant)
    if shop.connection_id is None:
        shop.connection_id = crypto.new_token()
    _keep(
        session,
        shop,
        {TokenKind.CONSUMER_KEY: key, TokenKind.CONSUMER_SECRET: secret, TokenKind.WEBHOOK_SECRET: webhook_secret},
    )
    connections.look_soon(session, shop.id, now=now)
    audit.record(session, shop.id, actor=actor, action="shop.connected", object_kind="shop", object_id=shop.id)
    return shop


def _woocommerce_domain(url: str) -> str:
    """Return host, port and path of a shop's address: two shops may share a host."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise Refused("Give the shop's address as the browser shows it, such as https://shop.example.com")
    return f"{parts.netloc.lower()}{parts.path.rstrip('/')}"


def standing(session: Session, platform: str, domain: str) -> Standing:
    """Say how a shop stands; one that we do not know stands like one that removed us."""
    token = select(ShopToken.updated_at).where(ShopToken.shop_id == Shop.id, ShopToken.kind == TokenKind.ACCESS_TOKEN)
    row = session.execute(
        select(Shop.id, Shop.state, Shop.scopes, token.scalar_subquery(), func.now())
        .where(Shop.platform == platform, Shop.domain == domain)
    ).one_or_none()  # fmt: skip
    if row is None:
        return Standing(None, ShopState.UNINSTALLED, frozenset(), None)
    shop_id, state, scopes, token_from, now = row
    age = now - token_from if token_from else None
    return Standing(shop_id, ShopState(state), frozenset(filter(None, scopes.split(","))), age)


def _upsert(
    session: Session, platform: str, domain: str, url: str, facts: ShopFacts, *, now: datetime, is_by_merchant: bool = False
) -> Shop:
    shop = _locked(session, platform, domain)
    if shop is None:
        shop = _made(session, platform, domain, url, facts, now=now)
        if is_by_merchant:
            mail_pace.use_defaults(shop)
    shop.url, shop.name, shop.sender_email = url, facts.name, facts.sender_email
    shop.currency, shop.timezone, shop.locale = facts.currency, facts.timezone, facts.locale
    shop.postal_address = facts.postal_address
    _begin(session, shop, now=now)
    return shop


def _begin(session: Session, shop: Shop, *, now: datetime) -> None:
    """Work for the shop from now on; what came before, such as a late word that it had removed us, is older."""
    shop.state, shop.installed_at, shop.uninstalled_at = ShopState.ACTIVE, now, None
    shop.import_wanted_at = now
    session.flush()
    add_missing_flows(session, shop.id)
    reconcile.plan(session, shop.id, now=now)
    sender_checks.plan(session, shop.id)


def _made(session: Session, platform: str, domain: str, url: str, facts: ShopFacts, *, now: datetime) -> Shop:
    """Make the shop's row, or find the one that was made at the same moment by another request."""
    row = {"platform": platform, "domain": domain, "url": url, "hash_key": b"", "installed_at": now}
    row |= {"name": facts.name, "sender_email": facts.sender_email, "state": ShopState.UNINSTALLED}
    shop_id = session.scalar(insert(Shop).values(row).on_conflict_do_nothing().returning(Shop.id))
    shop = _locked(session, platform, domain)
    assert shop is not None  # noqa: S101  (for the type checker: it was there, or it is now)
    if shop_id is not None:
        shop.hash_key = crypto.encrypt(shop.id, secrets.token_hex(HASH_KEY_BYTES))
    return shop


def _locked(session: Session, platform: str, domain: str) -> Shop | None:
    return session.scalar(
        select(Shop).where(Shop.platform == platform, Shop.domain == domain).with_for_update(),
        execution_options={"populate_existing": True},
    )


def add_missing_flows(session: Session, *shop_ids: int) -> None:
    """Give shops, all of them when none is named, their own first version of every built-in flow, switched off.

    A release with a new flow thus brings it to the shops that are connected already; what they have stays as it is.
    """
    which = select(Shop.id).where(Shop.id.in_(shop_ids)) if shop_ids else select(Shop.id)
    for flow in FLOWS.values():
        rows = which.add_columns(literal(flow.key), Shop.default_holdout)
        session.execute(
            insert(FlowSettings).from_select(["shop_id", "flow", "holdout_share"], rows).on_conflict_do_nothing()
        )
        tree = bindparam(None, to_json(flow), type_=JSONB())
        versions = which.add_columns(literal(flow.key), literal(1), tree, literal("cartwheel"))
        session.execute(
            insert(FlowVersion)
            .from_select(["shop_id", "flow", "version", "tree", "created_by"], versions)
            .on_conflict_do_nothing()
        )


def _keep(session: Session, shop: Shop, held: dict[TokenKind, str]) -> None:
    """Keep secrets that have no end, in place of all that were kept."""
    tokens.forget(session, shop.id)
    for kind, value in held.items():
        session.add(ShopToken(shop_id=shop.id, kind=kind, secret=crypto.encrypt(shop.id, value)))
    session.flush()
