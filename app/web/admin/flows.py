"""The flows of a shop: the list with its switches."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm import Session

from app.flows import FLOWS
from app.models import DeliveryState
from app.services import connections, edit_flow, listings
from app.services import results as counting
from app.services.edit_flow import FlowState
from app.services.results import Results
from app.web.admin import show, words
from app.web.admin.charts import Area, area
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id
from app.web.htmx import htmx_request, respond

LATEST = 5  # mails beside the set-up card


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRow:
    """One line of the list."""

    state: FlowState
    sent: int
    skipped: int
    spark: Area | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupStep:
    """One thing that makes a shop work with us, done or not; `flow_key` names a flow that can be switched on there."""

    title: str
    is_done: bool
    hint: str = ""
    flow_key: str | None = None


@blueprint.get("/flows")
@guarded(Guard.MERCHANT)
def flows() -> ResponseReturnValue:
    """List the flows with what they did."""
    with opened() as session:
        states = edit_flow.all_current(session, shop_id())
        results = counting.results(session, shop_id(), now=g.frame.now)
        orders = counting.orders_after_mail(session, shop_id(), now=g.frame.now)
        setup = _setup(session, states)
        latest = listings.list_mails(session, shop_id(), (), before=None, limit=LATEST).mails
        rivals = connections.rivals(session, shop_id(), [state.settings.flow for state in states])
    return render_template(
        "admin/flows.html",
        rows=[_row(state, results) for state in states],
        results=results,
        people=sum(state.people for state in states),
        people_most=edit_flow.PEOPLE_MOST,
        orders=orders,
        chart=area(results.sent_by_day(), width=600, height=78),
        setup=setup,
        latest=latest,
        rivals=rivals,
        words=words,
    )


@blueprint.route("/flows/<key>/activation", methods=["POST", "DELETE"])
@guarded(Guard.MERCHANT)
def activation(key: str) -> ResponseReturnValue:
    """Turn a flow on (POST) or off (DELETE; a form without htmx says so in a field)."""
    on = request.method == "POST" and request.form.get("_method") != "delete"
    with opened() as session:
        _current(session, key)
        state = edit_flow.switch(session, shop_id(), key, on=on, actor=actor(), now=g.frame.now)
        title = show.translated(state.flow.title)
        say = str(_("%(flow)s is live.", flow=title) if on else _("%(flow)s is paused: nobody gets its mails.", flow=title))
        if htmx_request().wants_fragment:
            return respond(_switched(session, state), toast=say)
    is_from_list = request.form.get("from") == "list"
    return done("flows", say=say) if is_from_list else done("flow", say=say, key=key)


def _known(key: str) -> None:
    if key not in FLOWS:
        abort(404)


def _current(session: Session, key: str) -> FlowState:
    _known(key)
    return edit_flow.current(session, shop_id(), key)


def _row(state: FlowState, results: Results) -> FlowRow:
    key = state.settings.flow
    return FlowRow(
        state=state,
        sent=results.total(DeliveryState.SENT, flow=key),
        skipped=results.total(DeliveryState.SKIPPED, flow=key),
        spark=area(results.sent_by_day(key), width=104, height=30),
    )


def _switched(session: Session, state: FlowState) -> str:
    """Return the piece that the switch stands in: the flow's own head, or its line in the list and the set-up card."""
    if htmx_request().hx_target_id == "flow-head":
        return render_template("admin/_flow_head.html", state=state, edited=edit_flow.row_of(session, state), words=words)
    results = counting.results(session, shop_id(), now=g.frame.now)
    setup = _setup(session, edit_flow.all_current(session, shop_id()))
    return render_template(
        "admin/_flow_switched.html", row=_row(state, results), setup=setup, words=words, people_most=edit_flow.PEOPLE_MOST
    )


def _setup(session: Session, states: Sequence[FlowState]) -> list[SetupStep]:
    """Say how far the shop is, from what has happened and nothing else; once a mail went out, it is set up."""
    reached = counting.milestones(session, shop_id())
    if reached.first_mail_at is not None:
        return []
    return [
        SetupStep(title="Connect a shop", is_done=True),
        SetupStep(
            title="Receive the first webhook",
            is_done=reached.first_webhook_at is not None,
            hint="Put something into a cart in your shop, and it comes by itself.",
        ),
        *(
            SetupStep(title=f"Turn on {s.flow.title.lower()}", is_done=s.settings.is_on, flow_key=s.settings.flow)
            for s in states[:1]
        ),
        SetupStep(
            title="Send the first mail",
            is_done=False,
            hint="Leave a cart with an e-mail address behind, and wait.",
        ),
    ]
