"""Reviews that people write in the shop: each is an answer of its writer, as the stars of a mail are.

Who wrote is looked up by the address, which anybody may have typed: it makes nobody a customer, and what a stranger wrote is
not kept. A review is read again and again (`reconcile.WATCHED`); what is held of it already is no news.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.events import Event, ReviewDeleted, ReviewUpdated
from app.domain.polling import Kind, Page
from app.models import Answer
from app.models.bulk import Row, insert_rows, one_of
from app.services import answers, doubts, people

# A low score that we first hear of later than this is history, of a shop that was just connected for example: it stops
# nobody's mail, and nobody has to settle it.
OLDEST_OPEN = timedelta(days=14)
ACTOR = "cartwheel"  # who settled those


@dataclass(slots=True)
class News:
    """What a batch tells of reviews that is not held yet, and whose they are. `owners` is by the `id()` of the event."""

    owners: dict[int, int] = field(default_factory=dict)
    stale: set[int] = field(default_factory=set)  # the `id()` of events that tell nothing new, or of nobody's review
    held: dict[str, Answer] = field(default_factory=dict)

    @property
    def people(self) -> set[int]:
        """Return whose reviews came, changed or went, also whose they were before."""
        return {*self.owners.values(), *(answer.customer_id for answer in self.held.values())}


def sift(session: Session, shop_id: int, found: Sequence[Event]) -> News:
    """Find out which reviews are news, and whose. The caller holds the shop's ingest lock."""
    told = {event.object_id: event for event in found if isinstance(event, ReviewUpdated | ReviewDeleted)}
    if not told:
        return News()
    query = select(Answer).where(Answer.shop_id == shop_id, one_of(Answer.review_id, told))
    held = {row.review_id: row for row in session.scalars(query, execution_options={"populate_existing": True})}
    written = [event for event in told.values() if isinstance(event, ReviewUpdated)]
    who = people.find(session, shop_id, {i for event in written for i in people.identities(event.person)})
    news = News()
    for event in found:
        if not isinstance(event, ReviewUpdated | ReviewDeleted):
            continue
        answer, owner = held.get(event.object_id), _owner(event, who)
        # Whose writer is not known any more (the address was changed in the shop) is theirs no longer.
        is_news = told[event.object_id] is event and (answer is not None or owner is not None)
        if not is_news or (answer and isinstance(event, ReviewUpdated) and _is_same(answer, event, owner)):
            news.stale.add(id(event))
            continue
        news.owners |= {id(event): owner} if owner is not None else {}
        news.held |= {event.object_id: answer} if answer else {}
    return news


def fold(session: Session, shop_id: int, found: Iterable[Event], news: News, *, now: datetime) -> None:
    """Write what is news, and hold who is unhappy. The caller holds the locks of `news.people`."""
    told = [event for event in found if isinstance(event, ReviewUpdated | ReviewDeleted)]
    if not told:
        return
    rows = [_row(shop_id, e, news, now) for e in told if isinstance(e, ReviewUpdated) and id(e) in news.owners]
    gone = {event.object_id for event in told} - {row["review_id"] for row in rows}
    if gone:
        session.execute(
            delete(Answer)
            .where(Answer.shop_id == shop_id, one_of(Answer.review_id, gone))
            .execution_options(synchronize_session=False)
        )
    if rows:
        statement = insert_rows(Answer, rows)
        changes = {name: statement.excluded[name] for name in rows[0] if name not in {"shop_id", "review_id"}}
        session.execute(statement.on_conflict_do_update(index_elements=["shop_id", "review_id"], set_=changes))
    answers.look_after(session, shop_id, news.people)


def miss(session: Session, shop_id: int, page: Page, *, now: datetime) -> None:
    """Have the shop asked for the reviews that a page ought to hold and does not: they were taken away, or hidden."""
    if page.covers is None:
        return
    first, last = page.covers
    listed = {event.object_id for event in page.events}
    ids = session.scalars(
        select(Answer.review_id).where(
            Answer.shop_id == shop_id, Answer.review_id.is_not(None), Answer.answered_at > first, Answer.answered_at < last
        )
    )
    doubts.ask(session, shop_id, Kind.REVIEWS, {i for i in ids if i} - listed, now=now)


def _owner(event: ReviewUpdated | ReviewDeleted, who: dict[people.Identity, int]) -> int | None:
    if isinstance(event, ReviewDeleted):
        return None
    return next((who[i] for i in people.identities(event.person) if i in who), None)


def _is_same(answer: Answer, event: ReviewUpdated, owner: int | None) -> bool:
    return (answer.customer_id, answer.product_id, answer.score, answer.words, answer.answered_at) == (
        owner, event.product_id, event.score, event.words, event.happened_at,
    )  # fmt: skip


def _row(shop_id: int, event: ReviewUpdated, news: News, now: datetime) -> Row:
    is_low = event.score is not None and event.score <= answers.LOW
    before = news.held.get(event.object_id)
    is_as_before = before is not None and (before.score, before.words) == (event.score, event.words)
    settled = (before.settled_at, before.settled_by) if before and is_as_before else (None, None)
    if is_low and before is None and event.happened_at < now - OLDEST_OPEN:
        settled = (now, ACTOR)
    return {
        "shop_id": shop_id, "review_id": event.object_id, "product_id": event.product_id,
        "customer_id": news.owners[id(event)], "score": event.score, "is_low": is_low, "words": event.words,
        "answered_at": event.happened_at, "settled_at": settled[0], "settled_by": settled[1],
    }  # fmt: skip
