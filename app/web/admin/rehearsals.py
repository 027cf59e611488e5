"""The rehearsal of a flow: asked for on its page, watched while it runs, read when it is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import abort, g, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.catalogues import noted
from app.domain.errors import Refused
from app.flows import FLOWS, read_flow
from app.flows.tally import ANYWAY, Tally
from app.flows.vocabulary import Flow
from app.models import Rehearsal, RehearsalState
from app.queues import QueueName, ring
from app.services import edit_flow, rehearsals
from app.services.edit_flow import FlowState
from app.services.rehearsals import Example
from app.web.admin import flow_page, forms, show, words
from app.web.admin.asked import MOST_ID
from app.web.admin.door import blueprint, done, opened
from app.web.admin.flow_page import Shown
from app.web.admin.words import Badge
from app.web.guards import Guard, actor, guarded, shop_id
from app.web.htmx import follow, htmx_request, respond

STATES = {
    RehearsalState.PENDING: Badge(noted("Under way"), "info"),
    RehearsalState.DONE: Badge(noted("Done"), "ok"),
    RehearsalState.STOPPED: Badge(noted("Stopped"), "warn"),
    RehearsalState.FAILED: Badge(noted("Not finished"), "crit"),
}
# What is said to have happened to a person, by the word that is kept.
TOLD = {
    "entered": noted("Would have come in"),
    "sent": noted("Would have got"),
    "skipped": noted("Would not have got"),
    "left": noted("Would have left"),
    "finished": noted("Would have come to the end"),
}
# Why a flow cannot be rehearsed (rehearsals.CANNOT), by what it begins with.
CANNOT = {
    "opt_in_asked": noted("It begins with sign-ups, which are kept for 30 days only."),
    "customer_silent": noted("It begins after half a year of silence, which is longer than the past that is played."),
}
PAGE = "/flows/<key>/rehearsals"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of the flow and what would have become of it, each reason with its number, the most first."""

    step: str
    sent: int
    waiting: int
    reasons: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Told:
    """One line of an example's story."""

    at: datetime
    what: str
    step: str | None
    reason: str | None


@blueprint.get(PAGE)
@guarded(Guard.MERCHANT)
def show_rehearsals(key: str) -> ResponseReturnValue:
    """Show a flow's newest rehearsal, or what a rehearsal is."""
    with opened() as session:
        return _page(session, _current(session, key))


@blueprint.get(f"{PAGE}/<int(max={MOST_ID}):rehearsal_id>")
@guarded(Guard.MERCHANT)
def rehearsal(key: str, rehearsal_id: int) -> ResponseReturnValue:
    """Show one rehearsal; while it runs, the page asks for its piece again and again."""
    with opened() as session:
        return _page(session, _current(session, key), rehearsal_id)


@blueprint.post(PAGE)
@guarded(Guard.MERCHANT)
def rehearse(key: str) -> ResponseReturnValue:
    """Rehearse the flow as it stands, or with the waits and coupons that were typed and not saved."""
    with opened() as session:
        state = _current(session, key)
        fields = forms.typed(state.flow, request.form, g.frame.shop.currency)
        flow = forms.changed(state.flow, fields)
        if flow is None:
            return flow_page.page(session, state, Shown(fields=fields, seen=state.settings.version, status=422))
        asked = _ask(session, state, flow)
        if asked is None:
            return _busy(session, state, flow)
    ring(QueueName.HOUSEKEEPING)
    return _lead_to("rehearsal", key=key, rehearsal_id=asked.id)


@blueprint.post(f"{PAGE}/<int(max={MOST_ID}):rehearsal_id>/stop")
@guarded(Guard.MERCHANT)
def stop_rehearsal(key: str, rehearsal_id: int) -> ResponseReturnValue:
    """Have a rehearsal end with what it has counted so far."""
    with opened() as session:
        _current(session, key)
        try:
            rehearsals.stop(session, shop_id(), rehearsal_id)
        except Refused:
            return done("rehearsal", say=str(_("It is over already.")), key=key, rehearsal_id=rehearsal_id)
    return done("rehearsal", say=str(_("It stops.")), key=key, rehearsal_id=rehearsal_id)


def _ask(session: Session, state: FlowState, flow: Flow) -> Rehearsal | None:
    version = state.settings.version if flow == state.flow else None
    days, now = rehearsals.DAYS, g.frame.now
    try:
        return rehearsals.ask(session, shop_id(), flow, version=version, days=days, actor=actor(), now=now)
    except Refused:
        return None


def _busy(session: Session, state: FlowState, flow: Flow) -> ResponseReturnValue:
    refusal = _why_not(session, flow)
    if htmx_request().wants_fragment:
        return _lead_to("show_rehearsals", say=refusal, key=flow.key)
    return _page(session, state, refusal=refusal, status=409)


def _lead_to(endpoint: str, *, say: str | None = None, **values: Any) -> ResponseReturnValue:
    """Lead to a page, also from the form of a flow, whose answer would otherwise stand in the form's place."""
    if htmx_request().wants_fragment:
        return follow(url_for(f"admin.{endpoint}", **values), toast=say)
    return done(endpoint, say=say, **values)


def _current(session: Session, key: str) -> FlowState:
    if key not in FLOWS:
        abort(404)
    return edit_flow.current(session, shop_id(), key)


def _page(
    session: Session, state: FlowState, rehearsal_id: int | None = None, *, refusal: str = "", status: int = 200
) -> ResponseReturnValue:
    key = state.settings.flow
    listed = rehearsals.newest(session, shop_id(), key)
    shown = rehearsals.find(session, shop_id(), rehearsal_id) if rehearsal_id else next(iter(listed), None)
    if rehearsal_id and (shown is None or shown.flow != key):
        abort(404)
    context: dict[str, Any] = {
        "state": state, "words": words, "listed": listed, "shown": shown, "badges": STATES, "refusal": refusal,
        "told_words": TOLD, "anyway_days": ANYWAY.days, "cannot": CANNOT.get(state.flow.trigger.event),
        "days": rehearsals.DAYS,
        **(_result(session, shown) if shown else {}),
    }  # fmt: skip
    if htmx_request().wants_fragment and htmx_request().hx_target_id == "rehearsal":
        return respond(render_template("admin/_rehearsal.html", **context), status=status)
    return render_template("admin/rehearsal.html", **context), status


def _result(session: Session, shown: Rehearsal) -> dict[str, Any]:
    flow, tally = read_flow(shown.tree), Tally.from_json(shown.tally)
    return {
        "flow": flow,
        "tally": tally,
        "mails": _mails(flow, tally.mails),
        "left": tally.left.most_common(),
        "examples": [(one.customer, _story(one)) for one in rehearsals.examples(session, shown)],
    }


def _mails(flow: Flow, found: Mapping[str, Mapping[str, int]]) -> Sequence[Mail]:
    """Return the mails in the order of the flow; the rounds of a repeat follow their first."""
    order = [send.key for send in flow.sends]
    steps = sorted(found, key=lambda step: (order.index(flow.send(step).key) if flow.send(step).key in order else 0, step))
    return [
        Mail(
            step=step,
            sent=found[step].get("sent", 0),
            waiting=found[step].get("waiting", 0),
            reasons=sorted(
                ((reason, count) for reason, count in found[step].items() if reason not in {"sent", "waiting"}),
                key=lambda pair: -pair[1],
            ),
        )
        for step in steps
    ]


def _story(one: Example) -> list[Told]:
    return [Told(datetime.fromisoformat(e["at"]), e["what"], e["step"], e["reason"]) for e in one.told]


def _why_not(session: Session, flow: Flow) -> str:
    if rehearsals.why_not(flow):
        return " ".join((_("This flow cannot be rehearsed."), show.translated(CANNOT[flow.trigger.event])))
    busy = rehearsals.under_way(session, shop_id())
    title = show.translated(FLOWS[busy.flow].title) if busy else ""
    return str(_("A rehearsal of %(flow)s is under way. Wait until it is done, or stop it.", flow=title))
