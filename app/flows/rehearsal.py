"""Play a flow over what happened to one person, as if it had been on: the engine and the gates themselves, no rows. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from app.flows.engine import (
    Decision,
    Effect,
    Exit,
    Finish,
    Schedule,
    SendEmail,
    SkipEmail,
    TagCustomer,
    decide,
    should_enter,
    why_leave,
)
from app.flows.news import Waits, may_enter_again, news, one_at_a_time, resume, why_refused
from app.flows.snapshot import Snapshot
from app.flows.vocabulary import Flow

LOOKS_MOST = 2_000  # at one person; three months of somebody who changes a cart twenty times a day
PERSON = ""  # the episode of a moment at which a flow about customers may begin

State = Literal["pending", "sent", "skipped"]


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happened to the person; a flow may begin with these carts or orders, or with PERSON."""

    at: datetime
    begins: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Run:
    """The person in the flow once. `state` is active, finished or exited."""

    number: int
    episode: str
    entered_at: datetime
    is_held_out: bool
    step_no: int = 0
    due_at: datetime | None = None
    came_at: datetime | None = None
    state: str = "active"
    reason: str | None = None
    ended_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Line:
    """A mail of the ledger that would have been written. `at` is when it left, or was known not to leave."""

    run: int
    step: str
    state: State
    at: datetime
    wanted_at: datetime
    due_at: datetime
    is_marketing: bool
    has_address: bool = True
    percent: int | None = None  # of its coupon
    reason: str | None = None


@dataclass(slots=True)
class Story:
    """What would have happened to the person; `is_cut` when more happened than is looked at."""

    runs: list[Run] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tags: Counter[tuple[str, bool]] = field(default_factory=Counter)
    is_cut: bool = False


class Past(Protocol):
    """What happened to one person, to be asked as of any moment: each thing is known from when it happened."""

    @property
    def moments(self) -> Sequence[Moment]:
        """Everything that happened since the flow is thought to be on, in the order of time."""

    @property
    def entered_at(self) -> Sequence[datetime]:
        """When the person truly entered this flow before that."""

    @property
    def is_capped(self) -> bool:
        """Whether the shop counts the mails that a person gets."""

    def snapshot(self, run: Run, story: Story, *, at: datetime, is_new: bool = False) -> Snapshot:
        """Return the person's standing in a run; a new one is not in the story yet."""

    def is_held_out(self, snapshot: Snapshot) -> bool:
        """Say whether who enters so is in the comparison group."""


def play(flow: Flow, past: Past, *, until: datetime) -> Story:
    """Return what the flow would have done by a moment. Of what falls together the news comes first, as behind the lock."""
    stage = _Stage(flow, past)
    heard = 0
    for _ in range(LOOKS_MOST):
        due_at = stage.due_at()
        moment = past.moments[heard] if heard < len(past.moments) else None
        if moment and moment.at <= until and (due_at is None or moment.at <= due_at):
            heard += 1
            stage.hear(moment)
        elif due_at and due_at <= until:
            stage.work(due_at)
        else:
            return stage.story
    stage.story.is_cut = True
    return stage.story


class _Stage:
    """The story so far. It does to plain objects what the services do to rows."""

    def __init__(self, flow: Flow, past: Past) -> None:
        self.flow, self.past, self.story = flow, past, Story()
        self._at: datetime | None = None

    def due_at(self) -> datetime | None:
        """Return when something is due next; what was due before it was known is due at once."""
        waits = [run.due_at for run in self._active() if run.due_at]
        waits += [line.due_at for line in self._pending()]
        if not waits:
            return None
        return max(min(waits), self._at) if self._at else min(waits)

    def hear(self, moment: Moment) -> None:
        """Let the flow look at what happened, as `services/react.py` does."""
        self._at = moment.at
        for episode in moment.begins:
            self._enter(episode, moment.at)
        self._refill(moment)
        for run in self._active():
            snapshot = self._look(run)
            waits = None if run.due_at is None else Waits(run.step_no, run.due_at, run.came_at)
            if decision := news(self.flow, waits, snapshot, now=moment.at):
                self._apply(run, decision, snapshot)

    def work(self, at: datetime) -> None:
        """Decide the steps that are due, then hand over the mails, as the two drains do."""
        self._at = at
        due = [run for run in self._active() if run.due_at and run.due_at <= at]
        for run, snapshot in [(run, self._look(run)) for run in due]:
            decision = decide(self.flow, run.step_no, snapshot, now=at, came_at=run.came_at, due_at=run.due_at)
            self._apply(run, decision, snapshot)
        self._hand_over(at)

    def _enter(self, episode: str, at: datetime) -> None:
        runs = self.story.runs
        if self.flow.subject == "customer":
            times = [*self.past.entered_at, *(run.entered_at for run in runs)]
            if self._active() or not may_enter_again(self.flow, max(times, default=None), now=at):
                return
        elif any(run.episode == episode for run in runs):
            return
        run = Run(number=len(runs) + 1, episode=episode, entered_at=at, is_held_out=False)
        snapshot = self.past.snapshot(run, self.story, at=at, is_new=True)
        if should_enter(self.flow, snapshot, now=at):
            run.is_held_out = self.past.is_held_out(snapshot)
            runs.append(run)

    def _refill(self, moment: Moment) -> None:
        """Take people back whose emptied cart was filled again."""
        for run in self.story.runs:
            if run.reason != "cart_emptied" or run.episode not in moment.begins:
                continue
            snapshot = self._look(run)
            if why_leave(self.flow, snapshot) is not None:
                continue
            lines = self.story.lines
            lines[:] = [line for line in lines if (line.run, line.state, line.reason) != (run.number, "skipped", run.reason)]
            told = {line.step for line in lines if line.run == run.number}
            if look := resume(self.flow, told, snapshot, now=moment.at):
                run.state, run.reason, run.ended_at, run.due_at = "active", None, None, None
                self._apply(run, Decision((look,), "cart_refilled", {}), snapshot)

    def _hand_over(self, at: datetime) -> None:
        due = [line for line in self._pending() if line.due_at <= at]
        asked = []
        for line in due:
            run = self.story.runs[line.run - 1]
            left = run.reason if run.state == "exited" else None
            refusal = why_refused(
                self.flow, line.step, self._look(run), has_address=line.has_address, wanted_at=line.wanted_at, left=left,
                now=at,
            )  # fmt: skip
            asked.append((PERSON, line.is_marketing, refusal))
        for line, refusal in zip(due, one_at_a_time(asked, is_capped=self.past.is_capped, now=at), strict=True):
            if refusal is None:
                line.state, line.at = "sent", at
            elif refusal.until:
                line.due_at = line.wanted_at = refusal.until
            else:
                line.state, line.at, line.reason = "skipped", at, refusal.reason
                if refusal.is_exit:
                    self._end(self.story.runs[line.run - 1], "exited", refusal.reason)

    def _apply(self, run: Run, decision: Decision, snapshot: Snapshot) -> None:
        for effect in decision.effects:
            self._carry_out(run, effect, snapshot)

    def _carry_out(self, run: Run, effect: Effect, snapshot: Snapshot) -> None:
        match effect:
            case SendEmail(step=step, due_at=wanted_at, coupon=coupon):
                self._write(run, step, "pending", snapshot, wanted_at, percent=coupon.percent if coupon else None)
            case SkipEmail(step=step, due_at=wanted_at, reason=reason):
                self._write(run, step, "skipped", snapshot, wanted_at, reason=reason)
            case TagCustomer(tag=tag, is_given=is_given):
                self.story.tags[tag, is_given] += 1
            case Schedule(step_no=step_no, due_at=due_at):
                # A step that waits already is moved; when they came to it is kept, so that a wait begins once.
                is_same = run.due_at is not None and run.step_no == step_no
                run.came_at = run.came_at if is_same else self._at
                run.step_no, run.due_at = step_no, due_at
            case Finish():
                self._end(run, "finished", None)
            case Exit(reason=reason, step=step):
                had_waiting = self._end(run, "exited", reason)
                if step and not had_waiting and self._at:
                    self._write(run, step, "skipped", snapshot, self._at, reason=reason)

    def _write(
        self, run: Run, step: str, state: State, snapshot: Snapshot, wanted_at: datetime, *, reason: str | None = None,
        percent: int | None = None,
    ) -> None:  # fmt: skip
        """Write a mail into the ledger once."""
        if self._at is None or any(line.run == run.number and line.step == step for line in self.story.lines):
            return
        is_marketing = self.flow.class_of(self.flow.send(step)) == "marketing"
        self.story.lines.append(
            Line(
                run=run.number, step=step, state=state, at=self._at, wanted_at=wanted_at, due_at=self._at, reason=reason,
                percent=percent, is_marketing=is_marketing, has_address=bool(snapshot.recipient),
            )
        )  # fmt: skip

    def _end(self, run: Run, state: str, reason: str | None) -> bool:
        """End a run; say whether a mail of it waited, which is not sent now when the person left."""
        run.state, run.reason, run.ended_at, run.due_at = state, reason, self._at, None
        waiting = [line for line in self._pending() if line.run == run.number] if state == "exited" else []
        for line in waiting:
            line.state, line.reason, line.at = "skipped", reason, self._at or line.at
        return bool(waiting)

    def _look(self, run: Run) -> Snapshot:
        assert self._at is not None  # noqa: S101  (for the type checker: something was heard before a run is looked at)
        return self.past.snapshot(run, self.story, at=self._at)

    def _active(self) -> list[Run]:
        return [run for run in self.story.runs if run.state == "active"]

    def _pending(self) -> list[Line]:
        return [line for line in self.story.lines if line.state == "pending"]
