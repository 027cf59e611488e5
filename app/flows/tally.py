"""What the rehearsals of many people come to: numbers that are added up slice by slice, and a few stories. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from app.flows.rehearsal import Story

ANYWAY = timedelta(days=5)  # as long as a click counts for an order unless a shop says otherwise
EXAMPLES_MOST = 10
OF_A_KIND = 2  # examples that ended alike
TOLD_MOST = 12  # lines of one example's story


@dataclass(frozen=True, slots=True)
class Sale:
    """A purchase that was kept, in minor units of its currency."""

    at: datetime
    minor: int
    currency: str


@dataclass(slots=True)
class Tally:
    """The numbers of a rehearsal. `mails` counts by step what became of each: sent, waiting, or the reason why not."""

    people: int = 0
    came_in: int = 0  # runs; a person may have several
    held_out: int = 0
    finished: int = 0
    going: int = 0
    left: Counter[str] = field(default_factory=Counter)
    mails: dict[str, Counter[str]] = field(default_factory=dict)
    coupons: int = 0
    tags: Counter[str] = field(default_factory=Counter)
    anyway_orders: int = 0  # within ANYWAY of a mail that would have gone: they came without it
    anyway_minor: Counter[str] = field(default_factory=Counter)  # by currency
    emptied: int = 0  # carts that nothing can be said about, because only their empty end is kept
    cut: int = 0  # people to whom too much happened

    @property
    def sent(self) -> int:
        """How many mails would have gone."""
        return sum(of_step["sent"] for of_step in self.mails.values())

    @property
    def skipped(self) -> Counter[str]:
        """How many would not, by reason."""
        found: Counter[str] = Counter()
        for of_step in self.mails.values():
            found.update({reason: count for reason, count in of_step.items() if reason not in {"sent", "waiting"}})
        return found

    def add(self, story: Story, *, sales: Iterable[Sale], emptied: int) -> None:
        """Add one person's story."""
        self.people += 1
        self.emptied += emptied
        self.cut += story.is_cut
        self.came_in += len(story.runs)
        for run in story.runs:
            self.held_out += run.is_held_out
            self.finished += run.state == "finished"
            self.going += run.state == "active"
            if run.state == "exited":
                self.left[run.reason or ""] += 1
        for line in story.lines:
            word = {"pending": "waiting"}.get(line.state, line.reason or line.state)
            self.mails.setdefault(line.step, Counter())[word] += 1
            self.coupons += line.state == "sent" and line.percent is not None
        for (tag, is_given), count in story.tags.items():
            self.tags[tag] += count if is_given else 0
        for sale in _after_a_mail(story, sales):
            self.anyway_orders += 1
            self.anyway_minor[sale.currency] += sale.minor

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept; `from_json` gives back an equal one."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        words = {step: dict(of_step) for step, of_step in self.mails.items()}
        return {name: dict(v) if isinstance(v, Counter) else v for name, v in plain.items()} | {"mails": words}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> "Tally":
        """Read what `to_json` wrote."""
        counters = {name: Counter(kept.get(name, {})) for name in ("left", "tags", "anyway_minor")}
        mails = {step: Counter(words) for step, words in kept.get("mails", {}).items()}
        return cls(**{**kept, **counters, "mails": mails})


def example(story: Story) -> tuple[str, list[dict[str, Any]]] | None:
    """Return how a story ended, in a word, and what happened in it, the oldest first; None where nothing did."""
    if not story.runs:
        return None
    is_mailed = any(line.state == "sent" for line in story.lines)
    last = story.runs[-1]
    kind = f"{'sent' if is_mailed else 'not'}/{last.reason or last.state}"
    told = sorted(_told(story), key=lambda entry: entry["at"])
    return kind, told[:TOLD_MOST]


def _told(story: Story) -> Iterator[dict[str, Any]]:
    """Yield what happened; of one moment the beginning comes first and the end last."""
    yield from (_entry(run.entered_at, "entered") for run in story.runs)
    for line in story.lines:
        if line.state != "pending":
            yield _entry(line.at, line.state, step=line.step, reason=line.reason)
    for run in story.runs:
        if run.ended_at:
            yield _entry(run.ended_at, "left" if run.state == "exited" else "finished", reason=run.reason)


def _entry(at: datetime, what: str, *, step: str | None = None, reason: str | None = None) -> dict[str, Any]:
    return {"at": at.isoformat(), "what": what, "step": step, "reason": reason}


def _after_a_mail(story: Story, sales: Iterable[Sale]) -> Iterator[Sale]:
    sent = [line.at for line in story.lines if line.state == "sent"]
    yield from (sale for sale in sales if any(at < sale.at <= at + ANYWAY for at in sent))
