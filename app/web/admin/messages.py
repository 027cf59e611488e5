"""One mail of a flow: its texts in one language, how it looks, whether it is ready, and a test of it."""

from dataclasses import dataclass
from typing import Any

from babel import Locale
from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.domain.errors import CartwheelError, Refused
from app.flows import FLOWS
from app.queues import QueueName, ring
from app.services import edit_flow, edit_texts, texts, trial_mail
from app.services import preview as previews
from app.services.edit_flow import FlowState
from app.services.edit_texts import LOCALES, ChangedMeanwhile
from app.services.liquid import VARIABLES
from app.services.preview import Preview, Reader
from app.services.writing import locale_of
from app.web.admin import message_form, message_view, words
from app.web.admin.door import blueprint, done, opened
from app.web.admin.message_form import MessageFields
from app.web.guards import Guard, actor, guarded, shop_id
from app.web.htmx import htmx_request, respond

MAY_BE_MISSING = frozenset({"customer.first_name", "shop.reply_to", "parcel.company", "parcel.number"})


@dataclass(frozen=True, slots=True)
class Place:
    """Which mail in which language a request is about."""

    state: FlowState
    step: str
    locale: str

    @property
    def flow(self) -> str:
        """The flow's key."""
        return self.state.settings.flow

    @property
    def address(self) -> dict[str, str]:
        """What the addresses of its pages are made of."""
        return {"key": self.flow, "step": self.step, "language": self.locale}


@blueprint.get("/flows/<key>/messages/<step>")
@guarded(Guard.MERCHANT)
def message(key: str, step: str) -> ResponseReturnValue:
    """Show a mail's texts, the mail itself, and what the checks say."""
    with opened() as session:
        place = _place(session, key, step)
        return _page(session, place, _kept(session, place))


@blueprint.post("/flows/<key>/messages/<step>")
@guarded(Guard.MERCHANT)
def save_message(key: str, step: str) -> ResponseReturnValue:
    """Keep the typed texts as the shop's own, or show what is wrong with them."""
    with opened() as session:
        place = _place(session, key, step)
        fields = message_form.typed(request.form)
        if fields.source == _kept(session, place).source:
            return _saved(session, place, place.state, _("Nothing was changed, so nothing was saved."))
        tree = message_form.tree_of(fields, place.locale)
        if tree is None:
            return _page(session, place, fields, status=422)
        seen = request.form.get("version", 0, type=int)
        try:
            after = edit_texts.save(
                session, g.frame.shop, key, step, place.locale, tree, actor=actor(), now=g.frame.now, seen=seen
            )
        except ChangedMeanwhile:
            return _page(session, place, fields, status=409, tree=tree)
        except Refused as exc:
            message_form.refused(fields, exc)
            return _page(session, place, fields, status=422)
        say = _("Saved as version %(version)s. It holds for people who enter from now on.", version=after.settings.version)
        return _saved(session, place, after, say)


@blueprint.post("/flows/<key>/messages/<step>/restore")
@guarded(Guard.MERCHANT)
def restore_message(key: str, step: str) -> ResponseReturnValue:
    """Take the shop's own texts of one language back, so that readers get those that we ship."""
    with opened() as session:
        place = _place(session, key, step)
        seen = request.form.get("version", 0, type=int)
        try:
            edit_texts.drop(session, shop_id(), key, step, place.locale, actor=actor(), now=g.frame.now, seen=seen)
        except ChangedMeanwhile:
            return _page(session, place, _kept(session, place), status=409)
    return done("message", say=_("The text that comes with Cartwheel is back."), **place.address)


@blueprint.post("/flows/<key>/messages/<step>/checks")
@guarded(Guard.MERCHANT)
def check_message(key: str, step: str) -> ResponseReturnValue:
    """Say whether what is typed is ready to send. Nothing is written."""
    with opened() as session:
        place = _place(session, key, step)
        fields = message_form.typed(request.form)
        shown, problem = _look(session, place, fields, message_form.tree_of(fields, place.locale))
        return respond(render_template("admin/_message_ready.html", place=place, shown=shown, problem=problem))


@blueprint.post("/flows/<key>/messages/<step>/tests")
@guarded(Guard.MERCHANT)
def test_message(key: str, step: str) -> ResponseReturnValue:
    """Ask for a test of the mail as it is kept; the mail worker sends it."""
    to = request.form.get("to", "").strip()
    with opened() as session:
        place = _place(session, key, step)
        try:
            wanted = trial_mail.request(
                session, g.frame.shop, key, step, Reader(locale=place.locale), to=to, actor=actor(), now=g.frame.now
            )
        except Refused as exc:
            return _test_refused(session, place, to, str(exc))
        say = _("A test is on its way to %(address)s.", address=wanted.recipient)
        piece = render_template("admin/_message_test.html", place=place, to=wanted.recipient, wrong="")
    ring(QueueName.MAIL)
    if htmx_request().wants_fragment:
        return respond(piece, toast=say)
    return done("message", say=say, **place.address)


def _place(session: Session, key: str, step: str) -> Place:
    """Find the mail that is asked for; the language is the asked one, else the shop's, else English."""
    if key not in FLOWS:
        abort(404)
    state = edit_flow.current(session, shop_id(), key)
    asked = request.args.get("language") or _of_shop(g.frame.shop.locale)
    if asked not in LOCALES or step not in {send.key for send in state.flow.sends}:
        abort(404)
    return Place(state, step, asked)


def _of_shop(tag: str) -> str:
    locale = locale_of(tag)
    return next((wider for wider in texts.wider(locale) if wider in LOCALES), texts.FALLBACK) if locale else texts.FALLBACK


def _kept(session: Session, place: Place) -> MessageFields:
    found = edit_texts.current(session, shop_id(), place.flow, place.step, place.locale)
    return message_form.stored(found.message)


def _look(session: Session, place: Place, fields: MessageFields, tree: object) -> tuple[Preview | None, str]:
    """Return the mail and what the checks say, or why there is no mail."""
    if fields.errors:
        return None, next(iter(fields.errors.values()))
    reader = request.form.get("reader", message_view.READERS[0])
    try:
        shop = g.frame.shop
        return message_view.look(session, shop, place.flow, place.step, place.locale, tree=tree, reader=reader), ""
    except CartwheelError as exc:
        return None, str(exc)


def _saved(session: Session, place: Place, after: FlowState, say: str) -> ResponseReturnValue:
    if not htmx_request().wants_fragment:
        return done("message", say=say, **place.address)
    place = Place(after, place.step, place.locale)
    return _page(session, place, _kept(session, place), say=say)


def _test_refused(session: Session, place: Place, to: str, wrong: str) -> ResponseReturnValue:
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_message_test.html", place=place, to=to, wrong=wrong), status=422)
    return _page(session, place, _kept(session, place), status=422, to=to, wrong=wrong)


def _page(
    session: Session,
    place: Place,
    fields: MessageFields,
    *,
    status: int = 200,
    tree: object = None,
    say: str | None = None,
    to: str | None = None,
    wrong: str = "",
) -> ResponseReturnValue:
    """Render the page of one mail, or its body for htmx."""
    state = place.state
    if status == 409:  # the next attempt is made on purpose
        place = Place(edit_flow.current(session, shop_id(), place.flow), place.step, place.locale)
    shown, problem = _look(session, place, fields, tree)
    context: dict[str, Any] = {
        "place": place, "state": state, "fields": fields, "shown": shown, "problem": problem, "words": words,
        "send": next(send for send in state.flow.sends if send.key == place.step), "is_stale": status == 409,
        "is_dirty": status in {409, 422} and not wrong,
        "languages_of": texts.coverage(place.flow, place.step, place.state.texts.get(place.step)),
        "names": {tag: Locale.parse(tag, sep="-").display_name for tag in LOCALES},
        "view": message_view.address(shop_id(), place.flow, place.step, place.locale),
        "has_cart": previews.newest_cart(session, shop_id()) is not None,
        "variables": [(name, name in MAY_BE_MISSING) for name in sorted(VARIABLES)],
        "to": g.frame.shop.reply_to or g.frame.shop.sender_email if to is None else to, "wrong": wrong,
    }  # fmt: skip
    if htmx_request().wants_fragment:
        return respond(render_template("admin/_message.html", **context), toast=say, status=status)
    return render_template("admin/message.html", **context), status
