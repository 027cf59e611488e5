"""Who is this shopper: what happened to them, what was mailed, what was not, and why. Every look is an audit row (D15)."""

from typing import Any

from flask import abort, g, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.flows import FLOWS
from app.models import ConsentRow, Customer, CustomerIdentity, DecisionRow, Delivery, Enrollment, EventRow, Order, Role, Shop
from app.services import audit, desk, desk_search, standing
from app.web.admin import person_words, why, words
from app.web.admin.asked import MOST_ID
from app.web.support.door import about, actor, blueprint, opened, staff_only

PERSON = f"/people/<int(max={MOST_ID}):shop_id>/<int(max={MOST_ID}):customer_id>"
MOST_ROWS = 50  # of each kind on a person's page
MOST_WORDS = 320  # characters of a search: the longest address


@blueprint.get("/people")
@staff_only(Role.SUPPORT)
def people() -> ResponseReturnValue:
    """Show the field to look for somebody with."""
    with opened():
        return render_template("support/people.html", people=[], names={}, q="")


@blueprint.post("/people")
@staff_only(Role.SUPPORT)
def find() -> ResponseReturnValue:
    """Look for a person by address or number. Not by GET: an address has no place in a log of requests."""
    words = request.form.get("q", "")[:MOST_WORDS].strip()
    with opened() as session:
        found = desk_search.people(session, words) if words else []
        names = desk.names(session, (person.shop_id for person in found))
        for person in found:
            _record(session, person, "customer.found")
    return render_template("support/people.html", people=found, names=names, q=words)


@blueprint.get(PERSON)
@staff_only(Role.VIEWER)
def person(shop_id: int, customer_id: int) -> ResponseReturnValue:
    """Show one person's story in one shop, without saying who it is."""
    with opened() as session:
        return _page(session, _found(session, shop_id, customer_id), revealed=False)


@blueprint.post(PERSON)
@staff_only(Role.SUPPORT)
def reveal_person(shop_id: int, customer_id: int) -> ResponseReturnValue:
    """Say who it is; that somebody looked is kept in the audit log (D15)."""
    with opened() as session:
        found = _found(session, shop_id, customer_id)
        _record(session, found, "customer.read")
        return _page(session, found, revealed=True)


@blueprint.get(f"{PERSON}/why")
@staff_only(Role.VIEWER)
def person_why(shop_id: int, customer_id: int) -> ResponseReturnValue:
    """Say how a person stands towards one flow, as the merchant's page does, without saying who it is."""
    key = request.args.get("flow", "")
    if key not in FLOWS:
        abort(404)
    with opened() as session:
        found = _found(session, shop_id, customer_id)
        shop = about(session.get_one(Shop, shop_id))
        stands = standing.of_flow(session, shop, found.id, key, now=g.frame.now)
        return render_template(
            "support/person_why.html", person=found, shop=shop, stands=stands, saw_now=why.saw_values(stands.saw),
            titles=words.titles(), person_words=person_words, explained=why.explained,
        )  # fmt: skip


def _found(session: Session, shop_id: int, customer_id: int) -> Customer:
    found = session.get(Customer, (shop_id, customer_id))
    return found if found is not None else abort(404)


def _page(session: Session, found: Customer, *, revealed: bool) -> str:
    shop = about(session.get_one(Shop, found.shop_id))
    story = _story(session, found.shop_id, found.id)
    return render_template("support/person.html", person=found, shop=shop, revealed=revealed, titles=words.titles(), **story)


def _story(session: Session, shop_id: int, customer_id: int) -> dict[str, Any]:
    runs = _newest(session, Enrollment, shop_id, customer_id)
    ids = [run.id for run in runs]
    decisions = select(DecisionRow).where(DecisionRow.shop_id == shop_id, DecisionRow.enrollment_id.in_(ids))
    by_run: dict[int, list[Any]] = {run_id: [] for run_id in ids}
    for row in session.scalars(decisions.order_by(DecisionRow.id.desc()).limit(MOST_ROWS * 4)):
        by_run[row.enrollment_id].append((row, why.did(row), why.saw(row)))
    return {
        "runs": runs,
        "decisions": by_run,
        "mails": _newest(session, Delivery, shop_id, customer_id),
        "orders": _newest(session, Order, shop_id, customer_id),
        "events": _newest(session, EventRow, shop_id, customer_id),
        "consents": _newest(session, ConsentRow, shop_id, customer_id),
        "identities": _newest(session, CustomerIdentity, shop_id, customer_id),
    }


def _newest(session: Session, model: Any, shop_id: int, customer_id: int) -> list[Any]:
    mine = select(model).where(model.shop_id == shop_id, model.customer_id == customer_id)
    return list(session.scalars(mine.order_by(model.id.desc()).limit(MOST_ROWS)))


def _record(session: Session, found: Customer, action: str) -> None:
    audit.record(session, found.shop_id, actor=actor(), action=action, object_kind="customer", object_id=found.id)
