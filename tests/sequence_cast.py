"""A small world for tests/contract/test_any_sequence.py: it plays on the real house, the model judges."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from unittest.mock import patch

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

import jobs.drain
import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.domain.errors import Ambiguous, Permanent, Transient
from app.domain.events import Consent, ConsentState
from app.models import Base, CustomerIdentity, Shop, ShopState
from app.services import consent, edit_flow, shops
from jobs.compliance import ERASING
from tests import builders
from tests.promise_model import FLOWS, Fact, Mail, Model

PEOPLE = {"alice": 9, "dora": 8}
MOST_CRASHES = 2  # a row on which three processes died is given up, which is another promise
_KNOWN = text("SELECT dedupe_key FROM webhooks WHERE state IN ('done', 'redacted') OR error = :erasing")
_MAIL = text(
    "SELECT d.flow, d.step, split_part(d.recipient, '@', 1), CASE e.subject_key WHEN 'customer' THEN '' ELSE e.episode END "
    "FROM deliveries d JOIN enrollments e ON e.shop_id = d.shop_id AND e.id = d.enrollment_id WHERE d.id = :id"
)
_HANDED_OVER = text(
    "SELECT d.flow, d.step, split_part(d.recipient, '@', 1), CASE e.subject_key WHEN 'customer' THEN '' ELSE e.episode END "
    "FROM deliveries d JOIN enrollments e ON e.shop_id = d.shop_id AND e.id = d.enrollment_id "
    "WHERE d.state IN ('sent', 'unknown', 'failed')"
)
_LEASES_END = "UPDATE {} SET lease_until = now() - interval '1 second' WHERE lease_until IS NOT NULL"
# Where a process may die: in which module, at which function, before it or after it.
DEATHS: dict[str, dict[str, tuple[Any, str, str]]] = {
    "inbox": {
        "leased": (jobs.drain, "_work", "before"),
        "folded": (jobs.inbox.react, "react", "before"),
        "reacted": (jobs.inbox.react, "react", "after"),
        "committed": (jobs.drain, "_work", "after"),
    },
    "steps": {
        "leased": (jobs.drain, "_work", "before"),
        "locked": (jobs.runner.snapshots, "load", "before"),
        "applied": (jobs.runner.enrol, "apply", "after"),
        "committed": (jobs.drain, "_work", "after"),
    },
    "mail": {
        "leased": (jobs.mail, "_prepared", "before"),
        "prepared": (jobs.mail, "_prepared", "after"),
        "claimed": (jobs.mail, "_claim", "after"),
        "accepted": (jobs.mail, "_land", "before"),  # when it had handed over the first of its mails
        "answered": (jobs.mail, "_land", "before"),  # when it had handed over all of them, and heard of none
        "recorded": (jobs.mail, "_record", "after"),
    },
}  # fmt: skip
FAULTS: dict[str, Exception] = {
    "ambiguous": Ambiguous("the answer was lost"),
    "transient": Transient("busy", timedelta(seconds=30)),
    "permanent": Permanent("no such address"),
}


class Died(BaseException):
    """The process ended here: nothing handles it, and whatever is open is rolled back."""


class Transport:
    """A way out that remembers what left by it, fails as asked, and may know afterwards what went out.

    `most` is how many mails it takes before the process that hands them over is gone; None for no end.
    """

    def __init__(self) -> None:
        self.left: Counter[str] = Counter()
        self.fault: Exception | None = None
        self.can_tell = True
        self.most: int | None = None
        self._lock = Lock()

    def send(self, mail: Any) -> str:
        """Take a mail; one that was surely refused has not left."""
        with self._lock:
            if self.most == 0:
                raise Transient("Nobody is there to hand it over.")
            if self.most:
                self.most -= 1
            if not isinstance(self.fault, Transient | Permanent):
                self.left[mail.key] += 1
        if self.fault:
            raise self.fault
        return f"id-{mail.key}"

    def was_sent(self, key: str) -> bool | None:
        """Say whether a mail left, if that can be told."""
        return key in self.left if self.can_tell else None

    def close(self) -> None:
        """Nothing is open."""


class World:
    """One shop, two people, and the house; `broken` collects what the model objects to."""

    def __init__(self, house: sessionmaker[Session]) -> None:
        self.house, self.model, self.transport = house, Model(), Transport()
        self.broken: list[tuple[Any, ...]] = []
        self.mails = self.crashes = 0
        self._told: list[tuple[Fact, str, dict[str, Any], datetime]] = []
        self._wire: list[int] = []
        self._keys: dict[str, Fact] = {}
        self._is_troubled = False
        self._claim = jobs.mail._claim
        with house.begin() as session:
            forget_all(session)
            self.shop_id = builders.tea_and_tin(session, flow_on=False)
            for flow in FLOWS:
                edit_flow.switch(session, self.shop_id, flow, on=True, actor="test", now=clock.now(session))

    # What happens outside.

    def cart(self, who: str, n: int, pieces: int, agrees: bool, age: timedelta, is_held: bool) -> None:
        """Somebody begins or changes a cart."""
        token, at = f"{who}-{n}", self._moment(age)
        begun_at = min((f.begun_at for f, *_ in self._told if f.about == token), default=at)
        at = max(at, begun_at)
        body = builders.checkout_body(
            token, at, email=f"{who}@example.com", consent=agrees, quantity=pieces, started_at=begun_at,
            customer_id=PEOPLE[who] if n else None,
        )  # fmt: skip
        fact = Fact("cart", who, token, at, begun_at, pieces=pieces, agrees=agrees)
        self._tell(fact, "checkouts/update", body, is_held=is_held)

    def order(self, who: str, n: int, cart: int | None, agrees: bool, age: timedelta, is_held: bool, state: str) -> None:
        """Somebody buys, with the cart's token or with nothing but the address in common; or their order goes on."""
        number, now = str(100 * PEOPLE[who] + n), self._moment(timedelta(0))
        held = [f for f, *_ in self._told if f.kind == "order" and f.about == number]
        at = now if held else self._moment(age)
        begun_at = held[0].begun_at if held else at
        token = held[0].token if held else None if cart is None else f"{who}-{cart}"
        sent_off_at = next((f.sent_off_at for f in held if f.sent_off_at), at if state == "sent off" else None)
        is_undone = state == "undone" or any(f.is_undone for f in held)
        agrees = held[0].agrees if held else agrees
        body = builders.order_body(int(number), begun_at, token=token, email=f"{who}@example.com", customer_id=PEOPLE[who])
        body |= {"updated_at": at.isoformat(), "buyer_accepts_marketing": agrees}
        if sent_off_at:
            parcel = {"id": int(number) + 5000, "order_id": int(number), "status": "success", "shipment_status": None}
            times = {"created_at": sent_off_at.isoformat(), "updated_at": sent_off_at.isoformat(), "line_items": []}
            body |= {"fulfillment_status": "fulfilled", "fulfillments": [parcel | times]}
        if is_undone:
            body |= {"cancelled_at": at.isoformat()}
        fact = Fact(
            "order", who, number, at, begun_at, agrees=agrees, token=token, sent_off_at=sent_off_at, is_undone=is_undone
        )  # fmt: skip
        self._tell(fact, "orders/updated", body, is_held=is_held)

    def regular(self, who: str) -> None:
        """It turns out that somebody bought three times in the last months."""
        for n, days in ((7, 60), (8, 40), (9, 20)):
            self.order(who, n, None, agrees=False, age=timedelta(days=days), is_held=False, state="placed")

    def patron(self, who: str) -> None:
        """Somebody of whom that is known buys again, and agrees to news."""
        self.regular(who)
        self.order(who, 3, None, agrees=True, age=timedelta(0), is_held=False, state="placed")

    def refuse(self, who: str, is_own_word: bool) -> None:
        """Somebody says no: by the link of a mail, or in the shop, which tells us."""
        at = self._moment(timedelta(0))
        fact, email = Fact("no", who, who, at, at), f"{who}@example.com"
        if not is_own_word:
            said = {"state": "unsubscribed", "opt_in_level": "single_opt_in", "consent_updated_at": at.isoformat()}
            body = {"customer_id": PEOPLE[who], "email_address": email, "email_marketing_consent": said}
            self._tell(fact, "customers_email_marketing_consent/update", body, is_held=False)
            return
        with self.house.begin() as session:
            held = session.query(CustomerIdentity).filter_by(shop_id=self.shop_id, kind="email", value=email).one_or_none()
            if held:
                word = Consent(state=ConsentState.UNSUBSCRIBED, at=at, source="one_click")
                consent.say(session, session.get_one(Shop, self.shop_id), held.customer_id, email, word, {}, now=at)
        if held:
            fact.known_at = at
            self.model.facts.append(fact)
            self.model.look(at)

    def redact(self, who: str) -> None:
        """The shop asks that somebody is forgotten."""
        at = self._moment(timedelta(0))
        whom = {"id": PEOPLE[who], "email": f"{who}@example.com"}
        body = {"shop_domain": builders.TEA_AND_TIN, "customer": whom, "orders_to_redact": []}
        self._tell(Fact("redacted", who, who, at, at), "customers/redact", body, is_held=False)

    def uninstall(self) -> None:
        """The shop removes us."""
        at = self._moment(timedelta(0))
        self._tell(Fact("uninstalled", "", "", at, at), "app/uninstalled", {"myshopify_domain": builders.TEA_AND_TIN}, False)

    def pause(self, is_paused: bool) -> None:
        """The merchant holds everything, or lets it go on."""
        if self.model.known("uninstalled"):
            return
        state = ShopState.PAUSED if is_paused else ShopState.ACTIVE
        with self.house.begin() as session:
            shops.set_state(session, session.get_one(Shop, self.shop_id), state, actor="test", now=clock.now(session))
        self.model.is_paused = is_paused
        self.model.look(self._now())

    def switch(self, flow: str, is_on: bool) -> None:
        """The merchant switches a flow off, or on."""
        with self.house.begin() as session:
            edit_flow.switch(session, self.shop_id, flow, on=is_on, actor="test", now=clock.now(session))
        (self.model.flows_off.discard if is_on else self.model.flows_off.add)(flow)
        self.model.look(self._now())

    def repeat(self, n: int, is_same_delivery: bool) -> None:
        """A webhook comes again: the same delivery of it, or another one."""
        if self._told:
            n %= len(self._told)
            self._deliver(n, f"w{n}" if is_same_delivery else f"w{n} again")

    def release(self) -> None:
        """What was held up comes, the last first."""
        while self._wire:
            n = self._wire.pop()
            self._deliver(n, f"w{n}")

    def wait(self, minutes: int) -> None:
        """Time passes."""
        builders.skip_clock(self.house, timedelta(minutes=minutes))

    # What happens inside.

    def ripen(self, minutes: int) -> None:
        """Time passes, and what is due is decided; the mails wait."""
        self.wait(minutes)
        self.drain("inbox", None, None, None)
        self.drain("steps", None, None, None)

    def fall(self, minutes: int, death: str) -> None:
        """A mail is due, and the process that is to send it dies."""
        self.ripen(minutes)
        self.drain("mail", death, None, None)

    def drain(self, queue: str, death: str | None, meanwhile: Callable[["World"], None] | None, fault: str | None) -> None:
        """Let one drain work, perhaps until it dies; something may happen between rendering and claiming a mail."""
        self.transport.fault = FAULTS.get(fault or "") if queue == "mail" else None
        self._is_troubled |= bool(self.transport.fault)
        death = death if self.crashes < MOST_CRASHES else None
        self.transport.most = 1 if death == "accepted" else None
        with ExitStack() as stack:
            stack.enter_context(patch.object(jobs.mail, "open_transport", lambda _now: self.transport))
            stack.enter_context(patch.object(jobs.mail, "_claim", self._judged(meanwhile)))
            if death:
                stack.enter_context(_dying(*DEATHS[queue][death]))
            began_at = self._now()
            try:
                {"inbox": jobs.inbox, "steps": jobs.runner, "mail": jobs.mail}[queue].drain()
            except Died:
                self.crashes += 1
        self.transport.fault = None
        self._learn(began_at)

    def turn(self) -> None:
        """Let the whole house work undisturbed, and demand what must have been handed over by its end."""
        self._leases_end()
        for queue in ("inbox", "steps", "mail"):
            self.drain(queue, None, None, None)
        if self._is_troubled:
            return  # a mail that was refused comes later, by its own time
        with self.house() as session:
            handed_over = {Mail(*row) for row in session.execute(_HANDED_OVER)}
        for wanted in self.model.musts(self._now()):
            if not handed_over.intersection(wanted.mails):
                self.broken.append(("missed", wanted))

    def _leases_end(self) -> None:
        with self.house.begin() as session:
            for table in ("webhooks", "scheduled_steps", "deliveries"):
                session.execute(text(_LEASES_END.format(table)))

    def _judged(self, meanwhile: Callable[["World"], None] | None) -> Callable[..., Any]:
        left = [meanwhile] if meanwhile else []

        def claim(ready: Any) -> Any:
            if left and ready:
                left.pop()(self)
            self._learn(self._now())
            going = self._claim(ready)
            with self.house() as session:
                for one in going:
                    mail = Mail(*session.execute(_MAIL, {"id": one.delivery.id}).one())
                    self.mails += 1
                    if why := self.model.why_not(mail, clock.now(session)):
                        self.broken.append((why, mail))
            return going

        return claim

    def doubles(self) -> list[tuple[Any, int]]:
        """Return the mails that left more than once: by their rows, and by what a person would call the same mail."""
        with self.house() as session:
            by_mail: Counter[Mail] = Counter()
            for key, times in self.transport.left.items():
                by_mail[Mail(*session.execute(_MAIL, {"id": key}).one())] += times
        return [(mail, times) for mail, times in by_mail.items() if times > 1]

    def _learn(self, began_at: datetime) -> None:
        """Note what is committed by now; what became known counts from before the drain that took it in."""
        with self.house() as session:
            known = set(session.scalars(_KNOWN, {"erasing": ERASING}))
        for key in known & self._keys.keys():
            self._keys[key].known_at = self._keys[key].known_at or began_at
        self.model.look(began_at)

    def _now(self) -> datetime:
        with self.house() as session:
            return clock.now(session)

    def _moment(self, age: timedelta) -> datetime:
        """Return a time of the platform that no other event has."""
        return self._now() - age + timedelta(microseconds=len(self._told))

    def _tell(self, fact: Fact, topic: str, body: dict[str, Any], is_held: bool) -> None:
        self._told.append((fact, topic, body, self._now()))
        self.model.facts.append(fact)
        if is_held:
            self._wire.append(len(self._told) - 1)
        else:
            self._deliver(len(self._told) - 1, f"w{len(self._told) - 1}")

    def _deliver(self, n: int, key: str) -> None:
        fact, topic, body, triggered_at = self._told[n]
        self._keys[key] = fact
        with self.house.begin() as session:
            builders.store_webhook(session, self.shop_id, topic, body, key=key, triggered_at=triggered_at)


@contextmanager
def _dying(module: Any, name: str, when: str) -> Iterator[None]:
    real = getattr(module, name)

    def dying(*args: Any, **more: Any) -> Any:
        if when == "before":
            raise Died
        result = real(*args, **more)
        if args and args[-1] != []:  # nothing to do is no point of the path
            raise Died
        return result

    with patch.object(module, name, dying):
        yield


def forget_all(session: Session) -> None:
    """Forget the world before; DELETE, because TRUNCATE of every table costs more than a whole sequence."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    tables = [t.name for t in Base.metadata.sorted_tables]
    exist = " UNION ALL ".join(f"(SELECT '{name}' WHERE EXISTS (SELECT FROM {name}))" for name in tables)
    for name in session.scalars(text(exist)).all():
        session.execute(text(f"DELETE FROM {name}"))
