"""A mail as one reader would get it: a real cart's, or an example. Nothing is written, nothing is sent."""

from dataclasses import dataclass, replace
from datetime import datetime

from babel import Locale
from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from app.domain.errors import Refused
from app.domain.events import Line
from app.domain.mailing import MailContent, Rendered
from app.flows.vocabulary import Flow
from app.models import Checkout, Customer, CustomerIdentity, Shop
from app.services import content as contents
from app.services import edit_flow, message_checks, samples
from app.services.dressing import Bare, dress
from app.services.message_checks import Finding
from app.services.render import fill
from app.services.texts import Coverage, Texts, coverage, find, own_texts
from app.services.writing import locale_of

CARTS_MOST = 500  # the newest, among which a cart for a preview is looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Whose eyes: a checkout's owner, a customer, or nobody real; `locale` stands in for their own."""

    checkout_id: int | None = None
    customer_id: int | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A rendered mail, what the checks say about it, and which languages the message has."""

    mail: Rendered
    findings: tuple[Finding, ...]
    languages: Coverage


def preview(
    session: Session,
    shop: Shop,
    flow: str,
    step: str,
    reader: Reader,
    *,
    public_url: str,
    now: datetime,
    tree: object = None,
) -> Preview:
    """Render a mail for a reader and check it.

    Args:
        session: only read from.
        shop: whose mail.
        flow: the flow's key.
        step: the name of its mail.
        reader: whose eyes.
        public_url: where links of ours lead.
        now: the time it would be sent at.
        tree: a message that is not kept yet, in the reader's language.

    Raises:
        Refused: there is no such flow, mail, cart or person, or the texts have a mistake.
        CartwheelError: the mail cannot be rendered.
    """
    state = edit_flow.current(session, shop.id, flow)
    content = content_for(session, shop, state.flow, step, reader, version=state.settings.version, now=now)
    content = replace(content, unsubscribe_url=f"{public_url}/u/{'x' * 22}")
    texts = _texts(content, tree)
    texts.check()
    mail = fill(content, texts)
    makes_coupon = samples.makes_coupon(state.flow, step)
    findings = message_checks.look_over(mail, content, texts, public_url=public_url, makes_coupon=makes_coupon)
    return Preview(mail=mail, findings=tuple(findings), languages=coverage(flow, step, state.texts.get(step)))


def content_for(
    session: Session, shop: Shop, flow: Flow, step: str, reader: Reader, *, version: int, now: datetime
) -> MailContent:
    """Return what the mail shows to this reader, with a made-up coupon and without a way to unsubscribe.

    Raises:
        Refused: there is no such mail, cart or person.
    """
    if step not in {send.key for send in flow.sends}:
        raise Refused(f"This flow has no mail named {step}. It has: {', '.join(s.key for s in flow.sends)}.")
    content = samples.example(shop, flow, step, now=now)
    checkout = _checkout(session, shop.id, reader) if content.because == "checkout" else None
    person = _person(session, shop.id, reader.customer_id or (checkout.customer_id if checkout else None))
    if person:
        content = replace(content, first_name=person.first_name, locale=person.locale or shop.locale)
    if checkout:
        content = _of_cart(session, shop, content, checkout)
    content = replace(content, locale=reader.locale or content.locale)
    return dress(session, [Bare(shop_id=shop.id, version=version, order_id=None, content=content)])[0]


def newest_cart(session: Session, shop_id: int, email: str | None = None) -> Checkout | None:
    """Return the newest checkout that was not finished and can be gone back to, of one address or of anybody.

    Of anybody's, the last CARTS_MOST that were begun are looked at.
    """
    begun = select(Checkout).where(Checkout.shop_id == shop_id)
    if email:
        person = select(CustomerIdentity.customer_id).where(
            CustomerIdentity.shop_id == shop_id, CustomerIdentity.kind == "email", CustomerIdentity.value == email
        )
        begun = begun.where(Checkout.customer_id == person.scalar_subquery(), Checkout.email == email)
    cart = aliased(Checkout, begun.order_by(Checkout.id.desc()).limit(CARTS_MOST).subquery())
    query = select(cart).where(cart.recovery_url.is_not(None), cart.completed_at.is_(None), cart.deleted_at.is_(None))
    return session.scalars(query.order_by(cart.changed_at.desc(), cart.id.desc()).limit(1)).first()


def _texts(content: MailContent, tree: object) -> Texts:
    wished = locale_of(content.locale) or Locale("en")
    locales = [wished, *([shops] if (shops := locale_of(content.sender.locale)) else [])]
    if tree is None:
        return find(content.flow, content.step, *locales, own=content.texts)
    tag = str(find(content.flow, content.step, wished).locale).replace("_", "-")
    return own_texts(content.flow, content.step, tag, tree)


def _of_cart(session: Session, shop: Shop, content: MailContent, checkout: Checkout) -> MailContent:
    lines = contents.with_pictures(session, shop.id, [Line(**line) for line in checkout.lines])
    return replace(
        content,
        first_name=checkout.first_name or content.first_name,
        locale=checkout.locale or content.locale,
        currency=checkout.currency,
        lines=lines,
        subtotal_minor=checkout.subtotal_minor,
        button_url=checkout.recovery_url or shop.url,
    )


def _checkout(session: Session, shop_id: int, reader: Reader) -> Checkout | None:
    if reader.checkout_id is not None:
        found = session.get(Checkout, (shop_id, reader.checkout_id))
        if found is None:
            raise Refused(f"There is no cart {reader.checkout_id}.")
        return found
    if reader.customer_id is None:
        return None
    query = select(Checkout).where(Checkout.shop_id == shop_id, Checkout.customer_id == reader.customer_id)
    return session.scalars(query.order_by(Checkout.changed_at.desc(), Checkout.id.desc()).limit(1)).first()


def _person(session: Session, shop_id: int, customer_id: int | None) -> Customer | None:
    if customer_id is None:
        return None
    person = session.get(Customer, (shop_id, customer_id))
    if person is None:
        raise Refused(f"There is no customer {customer_id}.")
    return person
