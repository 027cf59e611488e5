"""What a shop writes itself: checked, tried on three made-up readers, and kept as a new version of its flow."""

from datetime import datetime
from typing import Any

from babel import Locale
from sqlalchemy.orm import Session

from app import catalogues
from app.domain.errors import CartwheelError, Refused
from app.domain.mailing import MailContent
from app.flows.messages import from_json, to_json
from app.flows.vocabulary import Flow
from app.models import Shop
from app.services import brand, edit_flow, samples
from app.services.edit_flow import FlowState
from app.services.render import fill
from app.services.texts import Texts, find, own_texts
from app.services.writing import locale_of

LOCALES = tuple(name.replace("_", "-") for name in catalogues.LANGUAGES)


class ChangedMeanwhile(Refused):
    """Somebody else saved the flow after the version that was looked at."""


def current(session: Session, shop_id: int, flow: str, step: str, locale: str) -> Texts:
    """Return the texts that readers of a language get: the shop's own, else those that we ship.

    Raises:
        Refused: there is no such flow, mail or language.
    """
    state = edit_flow.current(session, shop_id, flow)
    _known(state, step, locale)
    return find(flow, step, _locale(locale), own=state.texts.get(step))


def save(
    session: Session,
    shop: Shop,
    flow: str,
    step: str,
    locale: str,
    tree: object,
    *,
    actor: str,
    now: datetime,
    seen: int | None = None,
) -> FlowState:
    """Keep a shop's own texts of a mail in one language. People already in the flow keep the version they entered with.

    Args:
        session: everything but the commit.
        shop: whose texts.
        flow: the flow's key.
        step: the name of its mail.
        locale: in which language, one of `LOCALES`.
        tree: the message.
        actor: who says so.
        now: the time.
        seen: the flow's version that the writer looked at; None: whichever it is.

    Raises:
        Refused: there is no such flow, mail or language, or the texts have a mistake: the message says where.
        ChangedMeanwhile: the flow has another version than the one seen.
    """
    state = _locked(session, shop.id, flow, seen)
    _known(state, step, locale)
    texts = own_texts(flow, step, locale, tree)
    texts.check()
    kit = brand.of_shop(session, shop.id)
    try_out(texts, samples.example(shop, state.flow, step, brand=kit, now=now), state.flow)
    of_step = {**state.texts.get(step, {}), locale: to_json(from_json(tree))}
    return _keep(session, shop.id, state, {**state.texts, step: of_step}, actor=actor, now=now)


def drop(
    session: Session,
    shop_id: int,
    flow: str,
    step: str,
    locale: str,
    *,
    actor: str,
    now: datetime,
    seen: int | None = None,
) -> FlowState:
    """Go back to the texts that we ship; nothing changes where the shop wrote none. The arguments are those of `save`.

    Raises:
        Refused: there is no such flow, mail or language.
        ChangedMeanwhile: the flow has another version than the one seen.
    """
    state = _locked(session, shop_id, flow, seen)
    _known(state, step, locale)
    of_step = {tag: tree for tag, tree in state.texts.get(step, {}).items() if tag != locale}
    texts = {name: held for name, held in {**state.texts, step: of_step}.items() if held}
    return _keep(session, shop_id, state, texts, actor=actor, now=now)


def try_out(texts: Texts, full: MailContent, flow: Flow) -> None:
    """Render texts for a reader with everything, one with next to nothing, and one who means harm.

    Raises:
        Refused: they cannot be filled in for one of them.
    """
    for content in samples.trials(full, flow):
        try:
            fill(content, texts)
        except Refused:
            raise
        except CartwheelError as exc:
            raise Refused(str(exc)) from exc


def _locked(session: Session, shop_id: int, flow: str, seen: int | None) -> FlowState:
    state = edit_flow.locked(session, shop_id, flow)
    if seen not in {None, state.settings.version}:
        raise ChangedMeanwhile(f"Somebody saved version {state.settings.version} meanwhile.")
    return state


def _keep(
    session: Session, shop_id: int, state: FlowState, texts: dict[str, Any], *, actor: str, now: datetime
) -> FlowState:
    return edit_flow.new_version(session, shop_id, state, state.flow, texts=texts, actor=actor, now=now)


def _known(state: FlowState, step: str, locale: str) -> None:
    if step not in {send.key for send in state.flow.sends}:
        raise Refused(f"This flow has no mail named {step}. It has: {', '.join(s.key for s in state.flow.sends)}.")
    if locale not in LOCALES:
        raise Refused(f"There are no mails in {locale}. Choose one of: {', '.join(LOCALES)}.")


def _locale(tag: str) -> Locale:
    return locale_of(tag) or Locale("en")
