"""Make mails ready: load what they show, get their coupons made in the shop, render them. Nothing here sends anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import SystemRandom
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from app import clock
from app.config import settings
from app.db import sessions
from app.domain.backoff import MAIL_WAITS, backoff
from app.domain.errors import Ambiguous, CartwheelError, NotAllowed, Permanent, Transient
from app.domain.inbound import Purpose, address
from app.domain.mailing import Rendered
from app.domain.outcomes import Again, Failed, Outcome
from app.domain.people import greeting_name
from app.domain.ports import CouponSpec, Mail
from app.log import fault
from app.models import CouponState, Delivery, claims
from app.services import content, ledger, links, render
from app.services.content import Draft
from app.services.links import Written
from integrations import PLATFORMS
from jobs.access import call_shop

NOT_ALLOWED_WAIT = timedelta(minutes=15)  # the shop withdrew a right: a person mends that

_rng = SystemRandom()


@dataclass(frozen=True, slots=True)
class Ready:
    """A rendered mail, leased, not yet claimed for sending."""

    delivery: Delivery
    mail: Mail


Undone = tuple[Delivery, Outcome]


def prepare(taken: Sequence[Delivery]) -> tuple[list[Ready], list[Undone]]:
    """Return the mails that may be claimed for sending, and the outcome of those that cannot go out now.

    What the gates refuse already is written as skipped and is in neither list: no coupon is made for it.
    """
    if not taken:
        return [], []
    with sessions().begin() as session:
        drafts = content.gather(session, taken, settings().public_url, now=clock.now(session))
    found = {d.delivery.id for d in drafts}
    undone: list[Undone] = [(d, Failed("What it was about is no longer held.")) for d in taken if d.id not in found]
    ready: list[Ready] = []
    for draft in drafts:
        if _is_refused(draft):
            continue
        outcome = _mint(draft) or _render(draft)
        if isinstance(outcome, Ready):
            ready.append(outcome)
        else:
            undone.append((draft.delivery, outcome))
    return _with_links(ready, {d.delivery.id: d for d in drafts}), undone


def _with_links(ready: list[Ready], drafts: dict[int, Draft]) -> list[Ready]:
    """Write the links of the batch in one statement, before any mail of it is claimed."""
    if not ready:
        return []
    written = [Written(r.delivery.shop_id, r.delivery.id, r.mail, _hosts(drafts[r.delivery.id])) for r in ready]
    with sessions().begin() as session:
        mails = links.track(session, written, public_url=settings().public_url)
    return [replace(r, mail=mails[r.delivery.id]) for r in ready]


def _hosts(draft: Draft) -> frozenset[str]:
    """Return where the shop lives: its own address, and the one that leads back to the cart."""
    found = (urlsplit(url).hostname for url in (draft.shop.url, draft.button_url))
    return frozenset(host for host in found if host)


def _is_refused(draft: Draft) -> bool:
    """Ask the gates before a coupon is made; a mail without one is asked only once, at its claim."""
    if draft.coupon is None or draft.coupon.state == CouponState.MINTED:
        return False
    try:
        with sessions().begin() as session:
            return _skip_if_refused(session, draft)
    except claims.FenceLost:
        return True


def _skip_if_refused(session: Session, draft: Draft) -> bool:
    now = clock.now(session)
    refusal = ledger.why_not(session, draft.shop, [draft.delivery], now=now)[0]
    if refusal:
        ledger.skip(session, draft.delivery, refusal, now=now)
    return refusal is not None


def _mint(draft: Draft) -> Outcome | None:
    """Have the coupon made, if there is one; the code was fixed before, so a second try finds what the first one made."""
    coupon = draft.coupon
    if coupon is None or coupon.state == CouponState.MINTED:
        return None
    spec = CouponSpec(
        code=coupon.code,
        percent=coupon.percent,
        title=f"Cartwheel {draft.delivery.flow}/{draft.delivery.step} {coupon.code}",
        starts_at=coupon.starts_at,
        expires_at=coupon.expires_at,
    )
    try:
        mint = PLATFORMS[draft.shop.platform].mint_coupon
        external_id = call_shop(draft.shop.id, lambda access: mint(access, spec))
    except (Permanent, NotAllowed, Transient, Ambiguous) as exc:
        return _not_minted(draft.delivery, exc)
    with sessions().begin() as session:
        ledger.keep_coupon(session, coupon, external_id)
    return None


def _not_minted(delivery: Delivery, exc: Exception) -> Outcome:
    reason = f"The coupon could not be made: {exc}"
    if isinstance(exc, Permanent):
        return Failed(reason)
    if isinstance(exc, NotAllowed):
        return Again(reason, NOT_ALLOWED_WAIT)
    at_least = exc.retry_after if isinstance(exc, Transient) else None
    wait = backoff(delivery.attempts, MAIL_WAITS, _rng, at_least=at_least)
    return Again(reason, wait) if wait else Failed(reason)


def _render(draft: Draft) -> Ready | Outcome:
    url = draft.button_url
    if coupon := draft.shown_coupon:
        url = PLATFORMS[draft.shop.platform].add_coupon(url, coupon.code)
    filled = content.with_coupon(draft, url)
    try:
        return Ready(draft.delivery, _mail(draft, render.render(filled), filled.unsubscribe_url))
    except CartwheelError as exc:
        return Failed(str(exc))
    except Exception as exc:  # noqa: BLE001  (our own fault: it may be mended before the last try)
        fault("mail.not_rendered", exc, delivery_id=draft.delivery.id, shop_id=draft.shop.id)
        wait = backoff(draft.delivery.attempts, MAIL_WAITS, _rng)
        reason = f"It could not be rendered ({type(exc).__name__})."
        return Again(reason, wait) if wait else Failed(reason)


def _mail(draft: Draft, rendered: Rendered, unsubscribe_url: str | None) -> Mail:
    delivery, sender = draft.delivery, draft.content.sender
    ways = {p: address(p, delivery.token, d) for p in Purpose} if (d := settings().inbound_domain) else {}
    return Mail(
        key=str(delivery.id),
        shop_key=str(draft.shop.id),
        flow_step=f"{delivery.flow}/{delivery.step}",
        from_email=sender.email,
        from_name=sender.name,
        to_email=delivery.recipient or "",
        to_name=greeting_name(draft.content.first_name),
        reply_to=sender.reply_to or ways.get(Purpose.REPLY),
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        unsubscribe_url=unsubscribe_url,
        unsubscribe_to=ways.get(Purpose.UNSUBSCRIBE),
        return_path=ways.get(Purpose.BOUNCE),
    )
