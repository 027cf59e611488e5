"""What may and what must be mailed, told once more in plain Python: the judge of tests/contract/test_any_sequence.py.

It knows the facts that a shop told and the moment at which each was committed, and nothing of the code that it judges. What
it is not sure of it leaves open: it forbids only what a promise forbids, and demands only what nothing stood against.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FLOWS = ("abandoned_cart", "welcome", "post_purchase", "review_request", "vip")
OLDEST_START = 3 * DAY  # older news begins nothing
SLACK = timedelta(minutes=1)  # what a turn of the house may take
# How long after what begins it a mail may leave at the earliest.
EARLIEST = {
    "reminder": HOUR, "coupon": DAY, "hello": 0 * DAY, "story": 2 * DAY, "favourites": 4 * DAY, "gift_reminder": 7 * DAY,
    "thanks_first": DAY, "thanks_again": DAY, "tips": 7 * DAY, "promotion": 21 * DAY, "ask": 18 * DAY, "ask_again": 25 * DAY,
    "thanks": HOUR,
}  # fmt: skip
ANSWERS_AN_ORDER = {"thanks_first", "thanks_again", "tips"}  # need no consent to marketing


@dataclass(frozen=True)
class Mail:
    """One mail of one run: `episode` is a checkout's token or an order's id; empty where a flow is about the person."""

    flow: str
    step: str
    who: str
    episode: str = ""


@dataclass
class Fact:
    """Something that a shop or a person said: at which time, and since when the house holds it (None: not yet)."""

    kind: str  # cart, order, no, redacted, uninstalled
    who: str
    about: str
    at: datetime
    begun_at: datetime
    known_at: datetime | None = None
    pieces: int = 1
    agrees: bool = False
    token: str | None = None  # of the checkout that an order came from
    sent_off_at: datetime | None = None
    is_undone: bool = False


@dataclass
class Wanted:
    """A mail that must leave: one of these steps, from `due_at` on, unless it is older than `until` by then."""

    mails: tuple[Mail, ...]
    due_at: datetime
    until: datetime


@dataclass
class Model:
    """All that was said, and which mails something stood against at any look of the house at its rows."""

    facts: list[Fact] = field(default_factory=list)
    is_paused: bool = False
    flows_off: set[str] = field(default_factory=set)
    excused: set[Mail] = field(default_factory=set)
    aged_from: dict[Mail, datetime] = field(default_factory=dict)

    def known(self, kind: str, who: str | None = None) -> list[Fact]:
        """Return what the house holds of one kind, of one person or of all, by its time."""
        found = [f for f in self.facts if f.kind == kind and f.known_at and who in (None, f.who)]
        return sorted(found, key=lambda f: f.at)

    def why_not(self, mail: Mail, now: datetime) -> str | None:
        """Return the promise that this mail would break if it were claimed now."""
        if self.is_paused or self.known("uninstalled"):
            return "the shop does not want it"
        if mail.flow in self.flows_off:
            return "the flow is off"
        if self.known("redacted", mail.who):
            return "the person is forgotten"
        if mail.step not in ANSWERS_AN_ORDER and not self._agreed(mail.who):
            return "no consent"
        return self._why_left(mail) or ("early" if now < self._begins_at(mail) + EARLIEST.get(mail.step, HOUR) else None)

    def look(self, now: datetime) -> None:
        """The house looks at its rows: what something stands against now need not come later."""
        for wanted in self._candidates():
            for mail in wanted.mails:
                if self.why_not(mail, now) not in (None, "early"):
                    self.excused.add(mail)
                if now >= wanted.due_at:
                    self.aged_from.setdefault(mail, wanted.until)

    def musts(self, now: datetime) -> Iterator[Wanted]:
        """Yield what has to be handed over by the end of an undisturbed turn at this moment."""
        for wanted in self._candidates():
            until = min(self.aged_from.get(mail, wanted.until) for mail in wanted.mails)
            if not self.excused.intersection(wanted.mails) and wanted.due_at + SLACK <= now < until - SLACK:
                yield wanted

    def _newest(self, kind: str, who: str) -> dict[str, Fact]:
        return {f.about: f for f in self.known(kind, who)}

    def _agreed(self, who: str) -> bool:
        yes = [f.begun_at for f in (*self.known("cart", who), *self.known("order", who)) if f.agrees]
        no = [f.at for f in self.known("no", who)]
        return bool(yes) and (not no or max(yes) > max(no))

    def _why_left(self, mail: Mail) -> str | None:
        orders = self._newest("order", mail.who)
        if mail.flow == "abandoned_cart":
            return self._why_cart_left(mail, orders)
        kept = [o for o in orders.values() if not o.is_undone]
        if mail.flow == "welcome":
            return "bought" if kept else None
        if mail.flow == "vip":
            return "bought too little" if len(kept) < 4 else None
        order = orders[mail.episode]
        if order.is_undone:
            return "the order is undone"
        is_last = mail.flow == "review_request" or not any(o.begun_at > order.begun_at for o in kept)
        return None if is_last else "bought again"

    def _why_cart_left(self, mail: Mail, orders: dict[str, Fact]) -> str | None:
        carts = self._newest("cart", mail.who)
        cart = carts[mail.episode]
        if any(o.token == cart.about or o.begun_at >= cart.begun_at for o in orders.values()):
            return "bought"
        if any(c.begun_at > cart.begun_at and c.pieces for c in carts.values()):
            return "a newer cart"
        return None if cart.pieces else "the cart is empty"

    def _begins_at(self, mail: Mail) -> datetime:
        """Return the earliest moment from which the mail's wait may count."""
        carts, orders = self.known("cart", mail.who), self.known("order", mail.who)
        match mail.flow:
            case "abandoned_cart":
                return min(f.at for f in carts if f.about == mail.episode)
            case "review_request":
                return min(f.sent_off_at for f in orders if f.about == mail.episode and f.sent_off_at)
            case "post_purchase":
                return min(f.known_at for f in orders if f.about == mail.episode and f.known_at)
            case "welcome":
                return min(f.known_at for f in (*carts, *orders) if f.agrees and f.known_at)
        return sorted(f.known_at for f in orders if f.known_at)[3]

    def _candidates(self) -> Iterator[Wanted]:
        """Yield the first mails of every run that was begun by news that was not too old."""
        for who in {f.who for f in self.facts if f.who}:
            yield from self._of_carts(who)
            yield from self._of_orders(who)
            yield from self._of_person(who)

    def _of_carts(self, who: str) -> Iterator[Wanted]:
        for token, newest in self._newest("cart", who).items():
            told = [f for f in self.known("cart", who) if f.about == token]
            if not any(_is_fresh(f, f.at) for f in told):
                continue
            for step, wait, life in (("reminder", HOUR, 6 * HOUR), ("coupon", DAY, 2 * DAY)):
                due_at = newest.at + wait
                yield Wanted((Mail("abandoned_cart", step, who, token),), due_at, due_at + life)

    def _of_orders(self, who: str) -> Iterator[Wanted]:
        told = self.known("order", who)
        for number in {f.about for f in told}:
            versions = [f for f in told if f.about == number]
            first = min(f.known_at for f in versions if f.known_at)
            if all(_is_fresh(f, f.begun_at) for f in versions):
                steps = ("thanks_first", "thanks_again")
                mails = tuple(Mail("post_purchase", step, who, number) for step in steps)
                yield Wanted(mails, first + DAY, first + DAY + 2 * DAY)
            sent_off = [f for f in versions if f.sent_off_at]
            is_only = len({f.about for f in told if f.sent_off_at}) == 1  # of several within 30 days one is asked about
            if sent_off and is_only and all(_is_fresh(f, f.sent_off_at) for f in sent_off if f.sent_off_at):
                due_at = min(f.sent_off_at for f in sent_off if f.sent_off_at) + 18 * DAY
                yield Wanted((Mail("review_request", "ask", who, number),), due_at, due_at + 7 * DAY)

    def _of_person(self, who: str) -> Iterator[Wanted]:
        orders = self.known("order", who)
        yes = [f for f in (*self.known("cart", who), *orders) if f.agrees]
        if yes and all(_is_fresh(f, f.begun_at) for f in yes):
            entered = min(f.known_at for f in yes if f.known_at)
            yield Wanted((Mail("welcome", "hello", who),), entered + HOUR, entered + 2 * DAY)


def _is_fresh(fact: Fact, at: datetime) -> bool:
    return fact.known_at is not None and fact.known_at - at < OLDEST_START - HOUR
