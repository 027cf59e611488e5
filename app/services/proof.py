"""The proof: do the ledgers agree with what is promised (I5, I6, I7)? The rows are asked, not the code that wrote them.

A purchase, a statement of consent and a send-claim each carry the moment at which they came to stand, by the running clock
while the same person's row was locked. So "before" and "after" are facts here, also between two transactions that waited
for each other.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, and_, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from app import crypto
from app.domain.consent import SECOND_HAND, MessageClass, standing
from app.domain.events import ConsentState
from app.flows.gates import gate_of
from app.models import (
    NO_SHOP,
    AuditRow,
    Checkout,
    ConsentRow,
    Delivery,
    DeliveryState,
    Enrollment,
    FlowVersion,
    PurchaseMark,
    Shop,
)
from app.models.bulk import one_of
from app.services import audit, mail_rules, snapshots, watch

SHOWN = 100  # ids of each finding; a proof with more is a fire, and the first hundred show where
BATCH = 1_000  # mails whose consent is looked up at once
_LOOKED_AT = (
    Delivery.shop_id, Delivery.id, Delivery.recipient, Delivery.claimed_at, Delivery.flow, Delivery.step,
    Delivery.message_class,
)  # fmt: skip
_JUDGED = (
    Delivery.shop_id, Delivery.id, Delivery.enrollment_id, Delivery.customer_id, Delivery.flow, Delivery.step,
    Delivery.claimed_at,
)  # fmt: skip
NIGHTLY_GAP = timedelta(hours=23)  # so that it creeps forward by no more than what housekeeping takes
_MADE = "proof.made"
_PROCESS = "proof"  # its sign of life: the scheduler asks each second, and the audit log grows
_LEFT = (DeliveryState.SENT, DeliveryState.UNKNOWN)  # a mail that may have reached somebody
_ENDS_WITH_ORDER = {"exits": [{"name": "ordered"}]}


@dataclass(slots=True)
class Finding:
    """How many mails break a promise, and the ids of the first hundred."""

    mails: int = 0
    ids: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int]) -> None:
        """Count these mails too."""
        self.mails += len(ids)
        self.ids += ids[: SHOWN - len(self.ids)]


@dataclass(frozen=True, slots=True)
class Proof:
    """What became of the mails that were due in a period, and which of them should not have gone."""

    since: datetime
    until: datetime
    due: int
    states: dict[str, int]
    doubles: Finding
    after_purchase: Finding
    without_consent: Finding
    unknown: Finding

    @property
    def holds(self) -> bool:
        """Whether no promise was broken; an unknown outcome breaks none, it wants a person's look."""
        return not (self.doubles.mails or self.after_purchase.mails or self.without_consent.mails)


def prove(
    session: Session,
    *,
    since: datetime,
    until: datetime,
    shop_id: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> Proof:
    """Check every mail that was due, or was handed over, in a period; of one shop, or of all.

    Args:
        session: as the owner when all shops are meant.
        since: by real time, not by the demo's clock.
        until: likewise.
        shop_id: None for all.
        advance: told how many handed-over mails were looked at since it was told last.
    """
    period = _in_period(since, until, shop_id)
    states = dict(session.execute(select(Delivery.state, func.count()).where(*period).group_by(Delivery.state)).all())
    return Proof(
        since=since,
        until=until,
        due=sum(states.values()),
        states={str(state): mails for state, mails in states.items()},
        doubles=_found(session, _doubles(_left(period))),
        after_purchase=_found(session, _after_purchase(_left(period))),
        without_consent=_without_consent(session, period, advance or (lambda _mails: None)),
        unknown=_found(session, select(Delivery.id).where(*period, Delivery.state == DeliveryState.UNKNOWN)),
    )


def is_night(session: Session) -> bool:
    """Say whether the nightly proof is due: none was made for NIGHTLY_GAP."""
    silence = watch.silence(session, _PROCESS)
    return silence is None or silence > NIGHTLY_GAP


def keep_night(session: Session, made: Proof) -> None:
    """Keep what a nightly proof found: the numbers, and where a promise was broken the ids."""
    watch.beat(session, _PROCESS)
    detail = {name: asdict(getattr(made, name)) for name in ("doubles", "after_purchase", "without_consent", "unknown")}
    audit.record(
        session, NO_SHOP, actor="cartwheel", action=_MADE, object_kind="proof", object_id=made.until.date(),
        detail={"due": made.due, "states": made.states, "holds": made.holds, **detail},
    )  # fmt: skip


def nights(session: Session, *, most: int = 30) -> Sequence[AuditRow]:
    """Return what the last nightly proofs found, newest first."""
    made = select(AuditRow).where(AuditRow.shop_id == NO_SHOP, AuditRow.action == _MADE)
    return session.scalars(made.order_by(AuditRow.id.desc()).limit(most)).all()


def handed_over(
    session: Session, *, since: datetime, until: datetime, shop_id: int | None = None, most: int | None = None
) -> int:
    """How many mails a proof will look at one by one, for a progress bar; counted up to `most`."""
    mails = select(Delivery.id).where(*_in_period(since, until, shop_id), Delivery.state.in_(_LEFT)).limit(most)
    return session.scalar(select(func.count()).select_from(mails.subquery())) or 0


def _in_period(since: datetime, until: datetime, shop_id: int | None) -> list[ColumnElement[bool]]:
    at = func.coalesce(Delivery.claimed_at, Delivery.created_at)  # as ix_deliveries_proved has it
    period = [at >= since, at < until]
    return period if shop_id is None else [*period, Delivery.shop_id == shop_id]


def _left(period: list[ColumnElement[bool]]) -> CTE:
    """Return the mails of a period that may have reached somebody, found before anything is asked of them.

    Joined at once, the planner began with every run of every shop.
    """
    mails = select(*_JUDGED).where(*period, Delivery.state.in_(_LEFT)).cte("mails")
    return mails.prefix_with("MATERIALIZED")


def _found(session: Session, query: Select[Any]) -> Finding:
    finding = Finding()
    finding.add(sorted(row[0] for row in session.execute(query)))
    return finding


def _doubles(mails: CTE) -> Select[Any]:
    """Every mail but the first to one person about one thing: the unique key stands in its way within one run only."""
    what = (mails.c.shop_id, mails.c.customer_id, mails.c.flow, mails.c.step, Enrollment.subject_key, Enrollment.episode)
    number = func.row_number().over(partition_by=what, order_by=mails.c.id).label("number")
    sent = select(mails.c.id, number).join(Enrollment, _run_of(mails)).subquery()
    return select(sent.c.id).where(sent.c.number > 1)


def _after_purchase(mails: CTE) -> Select[Any]:
    """Mails of a flow that ends with an order, claimed when the order was marked already."""
    began = func.coalesce(Checkout.started_at, Enrollment.entered_at)
    known = (PurchaseMark.shop_id == mails.c.shop_id, PurchaseMark.marked_at < mails.c.claimed_at)
    by_person = select(PurchaseMark.id).where(
        *known, PurchaseMark.customer_id == mails.c.customer_id, PurchaseMark.ordered_at >= began
    )
    by_checkout = select(PurchaseMark.id).where(*known, PurchaseMark.checkout_token == Enrollment.episode)
    version = and_(
        FlowVersion.shop_id == Enrollment.shop_id,
        FlowVersion.flow == Enrollment.flow,
        FlowVersion.version == Enrollment.version,
        FlowVersion.tree.op("@>")(cast(_ENDS_WITH_ORDER, JSONB)),
    )
    checkout = and_(Checkout.shop_id == Enrollment.shop_id, Checkout.token == Enrollment.episode)
    return (
        select(mails.c.id)
        .join(Enrollment, _run_of(mails))
        .join(FlowVersion, version)
        .outerjoin(Checkout, checkout)
        .where(by_person.exists() | by_checkout.exists())
    )


def _without_consent(session: Session, period: list[ColumnElement[bool]], advance: Callable[[int], None]) -> Finding:
    """Marketing to an address whose word, as it stood at the claim, did not allow it."""
    finding = Finding()
    query = select(*_LOOKED_AT).where(*period, Delivery.state.in_(_LEFT), Delivery.recipient.is_not(None))
    # Read on as they come: one look for all of them, and no more in memory than a batch.
    streamed = session.execute(query.order_by(Delivery.id), execution_options={"yield_per": BATCH})
    for mails in streamed.partitions():
        by_shop: dict[int, list[Any]] = defaultdict(list)
        for mail in mails:
            by_shop[mail.shop_id].append(mail)
        for shop_id, of_shop in by_shop.items():
            finding.add(_unwanted(session, shop_id, of_shop))
        advance(len(mails))
    return finding


def _unwanted(session: Session, shop_id: int, mails: Sequence[Any]) -> list[int]:
    key = snapshots.hash_key(session.scalars(select(Shop).where(Shop.id == shop_id)).one())
    is_strict = not mail_rules.of(session, shop_id).looks_at_countries
    asked = {m.id: g for m in mails if (g := gate_of(m.flow, m.step, m.message_class)).kind is MessageClass.MARKETING}
    hashes = {mail.id: crypto.hash_email(key, mail.recipient) for mail in mails if mail.id in asked}
    said: dict[bytes, list[Any]] = defaultdict(list)
    columns = (ConsentRow.email_hash, ConsentRow.state, ConsentRow.at, ConsentRow.source, ConsentRow.recorded_at)
    wanted = select(*columns).where(ConsentRow.shop_id == shop_id, one_of(ConsentRow.email_hash, set(hashes.values())))
    for row in session.execute(wanted):
        said[bytes(row.email_hash)].append(row)
    return [
        mail.id
        for mail in mails
        if mail.id in asked
        and not _is_wanted(said[hashes[mail.id]], mail.claimed_at, needs_yes=is_strict or asked[mail.id].is_express_always)
    ]


def _is_wanted(statements: Sequence[Any], claimed_at: datetime | None, *, needs_yes: bool) -> bool:
    """Say whether what stood at the claim allowed the mail: a yes, or, where a shop knows other grounds, no refusal.

    Older rows carry no moment: they count as known all along.
    """
    known = [s for s in statements if claimed_at is None or s.recorded_at is None or s.recorded_at < claimed_at]
    newest = max(known, key=lambda s: s.at, default=None)
    own = [s for s in known if s.source not in SECOND_HAND]
    stood = standing(
        ConsentState(newest.state) if newest else ConsentState.NONE,
        agreed_at=max((s.at for s in own if s.state == ConsentState.SUBSCRIBED), default=None),
        refused_at=max((s.at for s in own if s.state == ConsentState.UNSUBSCRIBED), default=None),
    )
    return stood is ConsentState.SUBSCRIBED if needs_yes else stood is not ConsentState.UNSUBSCRIBED


def _run_of(mails: CTE) -> ColumnElement[bool]:
    return and_(Enrollment.shop_id == mails.c.shop_id, Enrollment.id == mails.c.enrollment_id)
