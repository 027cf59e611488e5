"""The people of a shop: who they are, what happened to them, what is still to come, and why or why not."""

from typing import Any

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from app.domain.errors import Refused
from app.flows import FLOWS
from app.services import customers as people
from app.services import standing, stopping, timeline
from app.web.admin import person_words, why, words
from app.web.admin.asked import MOST_ID, asked_before
from app.web.admin.door import blueprint, done, opened
from app.web.guards import Guard, actor, guarded, shop_id

PERSON = f"/customers/<int(max={MOST_ID}):customer_id>"
MOST_WORDS = 320  # characters of a search: the longest address


@blueprint.get("/customers")
@guarded(Guard.MERCHANT)
def customers() -> ResponseReturnValue:
    """List the people, newest first."""
    with opened() as session:
        page = people.list_page(session, g.frame.shop, before=asked_before())
    return _render("customers", customer_page=page, before=asked_before(), q="")


@blueprint.post("/customers")
@guarded(Guard.MERCHANT)
def find_customers() -> ResponseReturnValue:
    """Look for people by address or name. Not by GET: an address has no place in a log of requests."""
    q = request.form.get("q", "").replace("\0", "")[:MOST_WORDS].strip()
    with opened() as session:
        shop = g.frame.shop
        page = people.search(session, shop, q) if q else people.list_page(session, shop, before=None)
    return _render("customers", customer_page=page, before=None, q=q)


@blueprint.get(PERSON)
@guarded(Guard.MERCHANT)
def customer(customer_id: int) -> ResponseReturnValue:
    """Show one person: consent, flows, and the timeline, in pages."""
    kind = _asked_kind()
    before = timeline.Place.read(request.args.get("before", ""))
    with opened() as session:
        known = people.find(session, g.frame.shop, customer_id) or abort(404)
        runs = standing.open_runs(session, g.frame.shop, customer_id, now=g.frame.now)
        page = timeline.page(session, shop_id(), customer_id, kind=kind, before=before)
    return _render("customer", known=known, runs=runs, timeline_page=page, kind=kind, before=before)


@blueprint.get(f"{PERSON}/why")
@guarded(Guard.MERCHANT)
def customer_why(customer_id: int) -> ResponseReturnValue:
    """Say how a person stands towards one flow: every decision, or why they never entered."""
    key = request.args.get("flow", "")
    if key not in FLOWS:
        abort(404)
    with opened() as session:
        known = people.find(session, g.frame.shop, customer_id) or abort(404)
        stands = standing.of_flow(session, g.frame.shop, customer_id, key, now=g.frame.now)
    return _render("customer_why", known=known, stands=stands, saw_now=why.saw_values(stands.saw))


@blueprint.post(f"{PERSON}/runs/<int(max={MOST_ID}):run_id>/stop")
@guarded(Guard.MERCHANT)
def stop_run(customer_id: int, run_id: int) -> ResponseReturnValue:
    """Take a person out of a flow: what has not left yet is not sent."""
    with opened() as session:
        try:
            stopped = stopping.stop_run(session, g.frame.shop, customer_id, run_id, actor=actor(), now=g.frame.now)
        except Refused as exc:
            return done("customer", say=str(exc), customer_id=customer_id)
    return done("customer", say=_say(stopped or abort(404)), customer_id=customer_id)


def _say(stopped: stopping.Stopped) -> str:
    title = words.titles().get(stopped.run.flow, stopped.run.flow)
    said = _("%(flow)s is stopped for this person. Nothing more of it is sent.", flow=title)
    if stopped.leaving:
        said = _(
            "%(flow)s is stopped for this person. “%(mail)s” was being handed over already and may still arrive.",
            flow=title,
            mail=words.step(stopped.leaving),
        )
    return str(said)


def _asked_kind() -> timeline.Kind | None:
    word = request.args.get("kind", "")
    return timeline.Kind(word) if word in set(timeline.Kind) else None


def _render(page: str, **values: Any) -> str:
    return render_template(
        f"admin/{page}.html",
        titles=words.titles(),
        words=words,
        person_words=person_words,
        explained=why.explained,
        **values,
    )
