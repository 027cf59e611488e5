"""The rehearsal's loop on hand-made pasts: what is heard, decided, handed over and left out, and when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.domain.consent import Permission
from app.domain.events import ConsentState
from app.domain.pace import Cap, Mailed, Pace, Quiet
from app.flows import FLOWS
from app.flows.rehearsal import LOOKS_MOST, PERSON, Moment, Run, Story, play
from app.flows.snapshot import CheckoutFacts, PersonFacts, Purchase, Snapshot
from app.flows.vocabulary import Flow

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
CART, VIP = FLOWS["abandoned_cart"], FLOWS["vip"]
CHECKOUT = CheckoutFacts(
    token="t1", email="alice@example.com", pieces=2, subtotal_minor=4800, started_at=T0, changed_at=T0,
    is_completed=False, is_deleted=False,
)  # fmt: skip
SNAPSHOT = Snapshot(
    entered_at=T0, checkout=CHECKOUT, ordered_at=None, is_superseded=False, consent=ConsentState.SUBSCRIBED,
    suppressed=None, shop_state="active", is_flow_on=True, is_held_out=False, is_person_gone=False,
    permission=Permission(),
)  # fmt: skip
BEGUN = Moment(T0, ("t1",))


@dataclass
class Told:
    """A past of literal moments; `as_of` says how the snapshot is at each."""

    moments: Sequence[Moment] = (BEGUN,)
    as_of: Callable[[datetime, Run, Story], Snapshot] = lambda at, run, story: SNAPSHOT
    entered_at: Sequence[datetime] = ()
    is_capped: bool = False
    is_held: bool = False

    def snapshot(self, run: Run, story: Story, *, at: datetime, is_new: bool = False) -> Snapshot:
        """Return the standing at a moment."""
        return replace(self.as_of(at, run, story), entered_at=run.entered_at, is_held_out=run.is_held_out)

    def is_held_out(self, snapshot: Snapshot) -> bool:
        """Say whether they are."""
        return self.is_held


def told(past: Told, *, flow: Flow = CART, until: datetime = T0 + 90 * DAY) -> list[tuple[str, str, str | None, timedelta]]:
    """Return the mails of a rehearsal, each with its time after T0."""
    return [(line.step, line.state, line.reason, line.at - T0) for line in play(flow, past, until=until).lines]


def test_both_mails_go_at_their_times_and_the_run_ends():
    story = play(CART, Told(), until=T0 + 3 * DAY)

    assert told(Told()) == [("reminder", "sent", None, HOUR), ("coupon", "sent", None, DAY)]
    assert [line.percent for line in story.lines] == [None, 10]
    assert [(run.state, run.ended_at) for run in story.runs] == [("finished", T0 + DAY)]


def test_what_comes_after_the_end_is_not_played():
    story = play(CART, Told(), until=T0 + 2 * HOUR)

    assert [line.step for line in story.lines] == ["reminder"]
    assert [run.state for run in story.runs] == ["active"]


def test_a_changed_cart_moves_the_first_mail():
    def as_of(at: datetime, run: Run, story: Story) -> Snapshot:
        return replace(SNAPSHOT, checkout=replace(CHECKOUT, changed_at=T0 + min(at - T0, HOUR / 2)))

    past = Told((BEGUN, Moment(T0 + HOUR / 2, ("t1",))), as_of)

    assert told(past) == [("reminder", "sent", None, HOUR * 1.5), ("coupon", "sent", None, DAY + HOUR / 2)]


def test_a_purchase_in_the_very_moment_of_the_mail_stops_it():
    """I6: whoever bought by then gets nothing."""
    past = Told((BEGUN, Moment(T0 + HOUR)), lambda at, *_: replace(SNAPSHOT, ordered_at=at if at >= T0 + HOUR else None))

    assert told(past) == [("reminder", "skipped", "ordered", HOUR)]
    assert [(run.state, run.reason) for run in play(CART, past, until=T0 + DAY).runs] == [("exited", "ordered")]


def test_who_never_agreed_is_skipped_mail_by_mail_and_stays():
    past = Told(as_of=lambda *_: replace(SNAPSHOT, consent=ConsentState.NONE))

    assert told(past) == [
        ("reminder", "skipped", "not_subscribed", HOUR), ("coupon", "skipped", "not_subscribed", DAY),
    ]  # fmt: skip
    assert [run.state for run in play(CART, past, until=T0 + 2 * DAY).runs] == ["finished"]


def test_people_held_out_are_only_watched():
    story = play(CART, Told(is_held=True), until=T0 + 2 * DAY)

    assert [(line.state, line.reason) for line in story.lines] == [("skipped", "held_out")] * 2
    assert [run.is_held_out for run in story.runs] == [True]


def test_the_night_puts_a_mail_off_and_does_not_age_it():
    night = Pace(quiet=Quiet(begins=12 * 60 + 30, ends=20 * 60, zone="UTC"))

    past = Told(as_of=lambda *_: replace(SNAPSHOT, pace=night))
    assert told(past)[0] == ("reminder", "sent", None, 8 * HOUR)  # two hours past what a reminder may be late


def two_carts(at: datetime, run: Run, story: Story) -> Snapshot:
    """Two carts of one person, in a shop that counts mails; the mails of the story count."""
    sent = tuple(Mailed(line.at, 1) for line in story.lines if line.state == "sent")
    pace = Pace(caps=(Cap(96, 3),), mailed=sent, urgent=1)
    return replace(SNAPSHOT, checkout=replace(CHECKOUT, token=run.episode), pace=pace)


TWO = Moment(T0, ("t1", "t2"))


def test_two_mails_of_one_moment_go_one_at_a_time_and_what_is_put_off_does_not_age():
    past = Told((TWO,), two_carts, is_capped=True)

    assert [row[1:] for row in told(past) if row[0] == "reminder"] == [
        ("sent", None, HOUR), ("sent", None, HOUR + MINUTE),
    ]  # fmt: skip
    # Three days after its time: later than a coupon may be, had it not been put off.
    assert [row[1:] for row in told(past) if row[0] == "coupon"] == [("sent", None, DAY), ("sent", None, 4 * DAY + HOUR)]


def test_a_purchase_stops_the_mail_that_waits_and_no_other_beside_it():
    def as_of(at: datetime, run: Run, story: Story) -> Snapshot:
        return replace(two_carts(at, run, story), ordered_at=at if at > T0 + HOUR else None)

    past = Told((TWO, Moment(T0 + HOUR + MINUTE / 2)), as_of, is_capped=True)

    lines = play(CART, past, until=T0 + DAY).lines
    assert [(line.run, line.step, line.reason) for line in lines] == [
        (1, "reminder", None), (2, "reminder", "ordered"), (1, "coupon", "ordered"),
    ]  # fmt: skip


def test_a_last_mail_that_waits_is_asked_about_once_more_and_takes_its_run_out():
    def as_of(at: datetime, run: Run, story: Story) -> Snapshot:
        is_no = at > T0 + 2 * DAY
        return replace(two_carts(at, run, story), consent=ConsentState.UNSUBSCRIBED if is_no else ConsentState.SUBSCRIBED)

    story = play(CART, Told((TWO,), as_of, is_capped=True), until=T0 + 9 * DAY)

    assert [(run.state, run.reason) for run in story.runs] == [("finished", None), ("exited", "unsubscribed")]
    assert [(line.state, line.reason) for line in story.lines if line.run == 2 and line.step == "coupon"] == [
        ("skipped", "unsubscribed")
    ]


def test_a_cart_that_is_deleted_and_filled_again_goes_on_before_its_first_mail():
    def as_of(at: datetime, run: Run, story: Story) -> Snapshot:
        is_away = T0 + HOUR / 2 <= at < T0 + 5 * HOUR
        changed_at = T0 + 5 * HOUR if at >= T0 + 5 * HOUR else T0
        return replace(SNAPSHOT, checkout=replace(CHECKOUT, is_deleted=is_away, changed_at=changed_at))

    past = Told((BEGUN, Moment(T0 + HOUR / 2), Moment(T0 + 5 * HOUR, ("t1",))), as_of)

    assert told(past) == [("reminder", "sent", None, 6 * HOUR), ("coupon", "sent", None, 5 * HOUR + DAY)]


def patron(at: datetime, run: Run, story: Story) -> Snapshot:
    """Somebody who bought a lot at each moment that they are looked at."""
    purchases = tuple(Purchase(at=at, external_id=str(n), minor=20_000) for n in range(4))
    person = PersonFacts(email="alice@example.com", at=at, subscribed_at=T0, orders=4, purchases=purchases)
    return replace(SNAPSHOT, checkout=None, person=person)


def test_somebody_is_in_a_flow_about_people_once_at_a_time_and_tags_are_counted():
    story = play(VIP, Told((Moment(T0, (PERSON,)), Moment(T0 + 35 * DAY, (PERSON,))), patron), until=T0 + 40 * DAY)

    assert len(story.runs) == 1
    assert story.tags == {("vip", True): 1}


def test_who_truly_entered_within_the_gap_does_not_enter_again():
    past = Told((Moment(T0, (PERSON,)),), patron, entered_at=(T0 - 29 * DAY,))

    assert play(VIP, past, until=T0 + DAY).runs == []
    past.entered_at = (T0 - 30 * DAY,)
    assert len(play(VIP, past, until=T0 + DAY).runs) == 1


def test_somebody_to_whom_too_much_happened_is_cut_and_says_so():
    past = Told([Moment(T0 + timedelta(seconds=n)) for n in range(LOOKS_MOST + 1)])

    assert play(CART, past, until=T0 + DAY).is_cut
    assert not play(CART, Told(), until=T0 + DAY).is_cut
