"""The page of one flow: its steps, who comes in, its waits, coupons and conditions, and whom they affect."""

from copy import deepcopy
from dataclasses import dataclass

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.flows import FLOWS, read_flow
from app.flows.vocabulary import Flow, to_json
from app.services import connections, edit_flow, rehearsals
from app.services import results as counting
from app.services.edit_flow import FlowState
from app.services.reach import Reach, reach
from app.web.admin import condition_form, forms, reach_words, steps, versions, words
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id
from app.web.htmx import htmx_request, respond


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a page of a flow shows beside the flow: an answer to what somebody typed, or nothing of that kind.

    `seen` is the version that somebody edits; with `is_stale` there is a newer one by now. A draft was not to be saved.
    """

    fields: forms.FlowFields
    seen: int
    status: int = 200
    is_stale: bool = False
    is_draft: bool = False
    say: str | None = None


@blueprint.get("/flows/<key>")
@guarded(Guard.MERCHANT)
def flow(key: str) -> ResponseReturnValue:
    """Show one flow, step by step."""
    _known(key)
    with opened() as session:
        state = edit_flow.current(session, shop_id(), key)
        draft = _rehearsed(session, key)
        fields = forms.stored(draft or state.flow, g.frame.shop.currency)
        return page(session, state, Shown(fields=fields, seen=state.settings.version, is_draft=draft is not None))


@blueprint.post("/flows/<key>")
@guarded(Guard.MERCHANT)
def save_flow(key: str) -> ResponseReturnValue:
    """Make what was typed the flow's next version, or show what is wrong; a button for a line only changes the form."""
    _known(key)
    with opened() as session:
        state = edit_flow.locked(session, shop_id(), key)  # of two who save at once, the second is told
        answer = _answer(session, state)
        if answer.status != 200 or answer.is_draft or htmx_request().wants_fragment:
            return page(session, edit_flow.current(session, shop_id(), key), answer)
    return done("flow", say=answer.say, key=key)


def _answer(session: Session, state: FlowState) -> Shown:
    """Say what becomes of a form that was sent."""
    newest, seen = state.settings.version, request.form.get("version", 0, type=int)
    fields = forms.typed(state.flow, request.form, g.frame.shop.currency)
    if forms.pressed(state.flow, fields, request.form.get("act", ""), request.form):
        return Shown(fields=fields, seen=seen, is_draft=True)
    new = forms.changed(state.flow, fields)
    if new is None or seen != newest:
        return Shown(fields=fields, seen=seen, status=409 if new else 422, is_stale=seen != newest)
    if _is_for_nobody(session, state, new, fields):
        return Shown(fields=fields, seen=seen, status=422)
    saved = edit_flow.import_flow(session, shop_id(), to_json(new), actor=actor(), now=g.frame.now)
    return Shown(fields=_stored(saved), seen=saved.settings.version, say=_what_was_saved(state, saved))


def _is_for_nobody(session: Session, state: FlowState, new: Flow, fields: forms.FlowFields) -> bool:
    """Refuse conditions that nobody of the last 90 days met, unless somebody ticked that they mean it."""
    if new.trigger == state.flow.trigger or request.form.get(f"{condition_form.AUDIENCE}.anyway"):
        return False
    told = _reach(session, new)
    if told is None or told.fit or not told.looked:
        return False
    fields.audience.error = reach_words.nobody(told)
    fields.focus = f"{condition_form.AUDIENCE}-anyway"
    return True


def page(session: Session, state: FlowState, shown: Shown) -> ResponseReturnValue:
    """Render the page of one flow, or its body for htmx."""
    key, newest = state.settings.flow, state.settings.version
    results = counting.results(session, shop_id(), now=g.frame.now)
    waiting = counting.waiting_by_step(session, shop_id(), key)
    # A draft keeps the version that somebody began with: what a colleague saved since is found when they save.
    theirs = versions.theirs(session, key, seen=shown.seen, newest=newest) if shown.is_stale else []
    context = {
        "state": state, "fields": shown.fields, "results": results, "edited": edit_flow.row_of(session, state),
        "words": words,
        "lines": steps.lines(state.flow, waiting), "units": forms.UNITS, "is_stale": shown.is_stale, "theirs": theirs,
        "whats": versions.WHATS, "is_dirty": shown.status != 200 or shown.is_draft, "skipped": results.skipped_because(key),
        "rivals": connections.rivals(session, shop_id(), [key]), "version": shown.seen if shown.is_draft else newest,
        "names": condition_form.names(state.flow), "signs": condition_form.SIGNS,
        "reach": _told_reach(session, state, shown), "can_rehearse": rehearsals.why_not(state.flow) is None,
        "people_most": edit_flow.PEOPLE_MOST, "waits_partly": sum(waiting.values()) >= counting.WAITING_MOST,
    }  # fmt: skip
    if not htmx_request().wants_fragment:
        return render_template("admin/flow.html", **context), shown.status
    answer = respond(render_template("admin/_flow.html", **context), toast=shown.say, status=shown.status)
    if shown.is_draft:
        answer.headers["HX-Reswap"] = "outerHTML"  # the form stays where somebody looks at it
    return answer


def _rehearsed(session: Session, key: str) -> Flow | None:
    """Return the flow that a rehearsal played and nobody saved, to go on editing it."""
    asked = rehearsals.find(session, shop_id(), request.args.get("rehearsal", 0, type=int))
    return read_flow(asked.tree) if asked and asked.flow == key and asked.version is None else None


def _told_reach(session: Session, state: FlowState, shown: Shown) -> str | None:
    """Say whom the conditions in the form would have let in; a line that is just begun is not held against somebody."""
    typed = forms.audience(state.flow, deepcopy(shown.fields))
    told = _reach(session, typed) if typed else None
    return reach_words.told(told) if told else None if typed else reach_words.incomplete()


def _reach(session: Session, flow: Flow) -> Reach | None:
    return reach(session, g.frame.shop, flow, now=g.frame.now)


def _stored(state: FlowState) -> forms.FlowFields:
    return forms.stored(state.flow, g.frame.shop.currency)


def _known(key: str) -> None:
    if key not in FLOWS:
        abort(404)


def _what_was_saved(before: FlowState, after: FlowState) -> str:
    if after.settings.version == before.settings.version and after.flow == before.flow:
        return str(_("Nothing was changed, so nothing was saved."))
    return str(_("Saved as version %(version)s. It holds for people who enter from now on.", version=after.settings.version))
