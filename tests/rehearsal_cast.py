"""Twin shops that are told the same: one with its flow on, whose drains work by a clock that stops at every due moment."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

import jobs.inbox
import jobs.mail
import jobs.runner
from app import clock
from app.domain.events import Consent, ConsentState, Person, ReviewUpdated
from app.domain.polling import Page
from app.flows.rehearsal import Line, Run
from app.flows.vocabulary import Flow
from app.models import CustomerIdentity, FlowSettings, Order, OrderLine, Shop, ShopState
from app.services import consent, edit_flow, install, mail_rules, react, recall, reconcile
from app.services.as_of import Setting
from app.services.install import ShopFacts
from app.services.rehearse import Rehearsed, rehearse
from tests import builders
from tests.sequence_cast import Transport, forget_all

T0 = datetime(2026, 8, 3, 12, 0, tzinfo=UTC)  # a Monday noon; every time of a story is later
PEOPLE = {"alice": 9, "dora": 8}
_DUE = text(
    "SELECT min(at) FROM (SELECT min(due_at) AS at FROM scheduled_steps WHERE state = 'pending' "
    "UNION ALL SELECT min(due_at) FROM deliveries WHERE state = 'pending') AS due"
)
_RUNS = text(
    "SELECT id, customer_id, episode, subject_key, entered_at, arm, state, reason, ended_at FROM enrollments "
    "WHERE shop_id = :shop AND flow = :flow ORDER BY id"
)
_MAILS = text(
    "SELECT enrollment_id, step, state, reason, CASE state WHEN 'sent' THEN sent_at END FROM deliveries "
    "WHERE shop_id = :shop"
)


class Twins:
    """Two shops of one platform; `real` has the flow on, `twin` has it off."""

    def __init__(
        self, house: sessionmaker[Session], platform: str, flow: str, *, is_first: bool = True, others: Sequence[str] = ()
    ) -> None:
        self.house, self.platform, self.flow, self.now = house, platform, flow, T0
        self.transport, self.told = Transport(), 0
        with house.begin() as session:
            if not is_first:
                forget_all(session)
            self.real, self.twin = (_connect(session, platform, name) for name in ("real", "twin"))
            for shop_id, flows in ((self.real, (flow, *others)), (self.twin, others)):
                for key in flows:
                    edit_flow.switch(session, shop_id, key, on=True, actor="test", now=T0)

    @property
    def ids(self) -> tuple[int, int]:
        """Both shops."""
        return self.real, self.twin

    def both(self, statement: str, **values: Any) -> None:
        """Change something about both shops."""
        given = {"at": self.now, **values}
        with self.house.begin() as session:
            for shop_id in self.ids:
                session.execute(text(statement), {"shop": shop_id, **given})

    def edit(self, change: Callable[[Flow], Flow]) -> None:
        """Give both shops a version of their own of the flow."""
        with self.house.begin() as session:
            for shop_id in self.ids:
                state = edit_flow.current(session, shop_id, self.flow)
                edit_flow.new_version(session, shop_id, state, change(state.flow), actor="test", now=self.now)

    def review(self, order_id: int = 1, *, who: str = "alice", score: int | None = 5) -> None:
        """Somebody writes in the shop of what they ordered, and both shops read it at once."""
        with patch.object(clock, "now", lambda _session: self.now), self.house.begin() as session:
            for shop_id in self.ids:
                query = select(OrderLine.product_id).join(Order, OrderLine.order_id == Order.id)
                product = session.scalars(query.where(Order.shop_id == shop_id, Order.external_id == str(order_id))).first()
                told = ReviewUpdated(
                    object_id=f"r{order_id}", happened_at=self.now, person=Person(email=f"{who}@example.com"),
                    product_id=product or "", score=score, words=None,
                )  # fmt: skip
                page = Page(events=(told,), objects=1, next=None)
                assert reconcile.fold(session, shop_id, page, now=self.now)

    def heed(self, change: Callable[[Session, Shop, int], None], *, who: str = "alice") -> None:
        """Something about a person changes in both shops by no event, and their runs look at it."""
        mine = (CustomerIdentity.kind == "email", CustomerIdentity.value == f"{who}@example.com")
        with patch.object(clock, "now", lambda _session: self.now), self.house.begin() as session:
            for shop_id in self.ids:
                query = select(CustomerIdentity.customer_id).where(CustomerIdentity.shop_id == shop_id, *mine)
                shop, customer_id = session.get_one(Shop, shop_id), session.scalars(query).one()
                change(session, shop, customer_id)
                react.look_again(session, shop, {customer_id}, now=self.now)

    def set_pace(self, caps: list[list[int]] | None, *, is_night: bool) -> None:
        """Give both shops caps and a night, or none."""
        self.both("UPDATE shops SET mail_caps = CAST(:caps AS jsonb) WHERE id = :shop", caps=json.dumps(caps or []))
        if is_night:
            self.both("UPDATE shops SET quiet_from = 1200, quiet_until = 480, timezone = 'Asia/Baku' WHERE id = :shop")

    def wait(self, **by: float) -> None:
        """Time passes; whatever falls due meanwhile is worked at its very moment."""
        until = self.now + timedelta(**by)
        while (due_at := self._due()) is not None and due_at <= until:
            self.now = max(self.now, due_at)
            self._work()
        self.now = until

    def cart(self, name: str = "t1", *, who: str = "alice", pieces: int = 2, consents: bool = True, **more: Any) -> None:
        """Somebody begins or changes a cart."""
        if self.platform == "shopify":
            body = builders.checkout_body(
                name, self.now, email=f"{who}@example.com", consent=consents, quantity=pieces, **more
            ) | {"currency": "EUR", "presentment_currency": "EUR"}  # fmt: skip
            self._tell({"shopify": "checkouts/update"}, body)
        else:
            body = _woo_cart(name, self.now, more.get("started_at") or self.now, who, pieces, consents)
            self._tell({"woocommerce": "checkout.updated"}, body)

    def drop(self, name: str = "t1") -> None:
        """A cart is deleted in the shop."""
        if self.platform == "shopify":
            self._tell({"shopify": "checkouts/delete"}, {"id": 1, "token": name, "cart_token": f"cart-{name}"})
        else:
            self._tell({"woocommerce": "checkout.deleted"}, {"id": name})

    def delete(self, customer_id: int) -> None:
        """An account is deleted in the shop."""
        self._tell({"shopify": "customers/delete"}, {"id": customer_id, "updated_at": self.now.isoformat()})

    def order(self, order_id: int = 1, *, who: str = "alice", **more: Any) -> None:
        """Somebody buys, or their order goes on: `placed_at`, `token`, `total`, `sent_off_at`, `refunded`, `cancelled`."""
        make = _shopify_order if self.platform == "shopify" else _woo_order
        body = make(order_id, self.now, who, **more)
        self._tell({"shopify": "orders/updated", "woocommerce": "order.updated"}, body)

    def deliver(self, order_id: int = 1) -> None:
        """A parcel arrives; only Shopify tells that."""
        event = {
            "id": 1, "order_id": order_id, "fulfillment_id": 700 + order_id, "status": "delivered",
            "happened_at": self.now.isoformat(), "created_at": self.now.isoformat(), "updated_at": self.now.isoformat(),
        }  # fmt: skip
        self._tell({"shopify": "fulfillment_events/create"}, event)

    def say(self, state: ConsentState, *, who: str = "alice", level: str | None = None) -> None:
        """Somebody says yes or no on a page of ours."""
        email = f"{who}@example.com"
        with patch.object(clock, "now", lambda _session: self.now), self.house.begin() as session:
            for shop_id in self.ids:
                query = select(CustomerIdentity.customer_id).where(
                    CustomerIdentity.shop_id == shop_id, CustomerIdentity.kind == "email", CustomerIdentity.value == email
                )
                word = Consent(state=state, at=self.now, source="preferences", level=level)
                if customer_id := session.scalar(query):
                    consent.say(session, session.get_one(Shop, shop_id), customer_id, email, word, {}, now=self.now)

    def happened(self) -> list[tuple[Any, ...]]:
        """Return what the real shop's flow did: each run with its mails."""
        with self.house() as session:
            mails = session.execute(_MAILS, {"shop": self.real}).all()
            runs = session.execute(_RUNS, {"shop": self.real, "flow": self.flow}).all()
        told = []
        for run in runs:
            episode = "" if run.subject_key == "customer" else run.episode
            of_run = sorted(tuple(mail)[1:] for mail in mails if mail.enrollment_id == run.id)
            is_held = run.arm == "holdout"
            told.append((episode, run.entered_at, is_held, run.state, run.reason, run.ended_at, of_run))
        return sorted(told, key=repr)

    def rehearsed(self, *, shop_id: int | None = None, flow: Flow | None = None) -> list[tuple[Any, ...]]:
        """Return what a rehearsal in the twin says that the flow would have done."""
        told = []
        for found in self.stories(shop_id=shop_id, flow=flow):
            for run in found.story.runs:
                lines = [line for line in found.story.lines if line.run == run.number]
                told.append(_told(run, lines))
        return sorted(told, key=repr)

    def stories(self, *, shop_id: int | None = None, flow: Flow | None = None) -> list[Rehearsed]:
        """Rehearse in the twin, or in another shop, over everything since the beginning."""
        with self.house() as session:
            shop = session.get_one(Shop, shop_id or self.twin)
            state = edit_flow.current(session, shop.id, self.flow)
            share = session.scalar(
                select(FlowSettings.holdout_share).where(FlowSettings.shop_id == shop.id, FlowSettings.flow == self.flow)
            )
            setting = Setting(shop, flow or state.flow, mail_rules.of(session, shop.id), float(share or 0))
            who, _ = recall.people(session, shop.id, setting.flow, since=T0, until=self.now)
            found = rehearse(session, setting, who, since=T0, until=self.now)
            return [one for one in found if one is not None]

    def _tell(self, topics: dict[str, str], body: dict[str, Any]) -> None:
        """Tell both shops, who take it in at once."""
        self.told += 1
        with self.house.begin() as session:
            for shop_id in self.ids:
                builders.store_webhook(
                    session, shop_id, topics[self.platform], body, key=f"w{self.told}", platform=self.platform,
                    triggered_at=self.now,
                )  # fmt: skip
        with patch.object(clock, "now", lambda _session: self.now):
            jobs.inbox.drain()

    def _work(self) -> None:
        with (
            patch.object(clock, "now", lambda _session: self.now),
            patch.object(jobs.mail, "open_transport", lambda _now: self.transport),
        ):
            jobs.runner.drain()
            jobs.mail.drain()

    def _due(self) -> datetime | None:
        with self.house() as session:
            return session.scalar(_DUE)


def _told(run: Run, lines: list[Line]) -> tuple[Any, ...]:
    mails = sorted((line.step, line.state, line.reason, line.at if line.state == "sent" else None) for line in lines)
    return run.episode, run.entered_at, run.is_held_out, run.state, run.reason, run.ended_at, mails


def _connect(session: Session, platform: str, name: str) -> int:
    facts = ShopFacts(name=name, sender_email=f"hello@{name}.example", currency="EUR", postal_address="1 Harbour St")
    if platform == "shopify":
        shop = install.connect_shopify(session, f"{name}.myshopify.com", "shpat_x", facts, actor="test", now=T0)
    else:
        shop = install.connect_woocommerce(
            session, f"http://127.0.0.1:9/{name}", key="ck_x", secret="cs_x", webhook_secret="whsec", facts=facts,
            actor="test", now=T0,
        )  # fmt: skip
    assert shop.state == ShopState.ACTIVE
    return shop.id


def _woo_cart(token: str, at: datetime, started_at: datetime, who: str, pieces: int, consents: bool) -> dict[str, Any]:
    return {
        "token": token, "status": "open" if pieces else "emptied", "created_at_gmt": started_at.isoformat(),
        "updated_at_gmt": at.isoformat(), "email": f"{who}@example.com", "first_name": who.title(), "locale": "en",
        "country": "DE", "currency": "EUR", "subtotal": "48.00", "total": "48.00",
        "items": [{"product_id": 21, "quantity": pieces, "name": "Heron Lamp", "price": "24.00"}] if pieces else [],
        "consent": {"marketing": consents, "at": at.isoformat(), "text": "Yes, news"},
        "recovery_url": f"https://lamp-loft.example/?cartwheel_cart={token}",
    }  # fmt: skip


def _shopify_order(
    order_id: int, at: datetime, who: str, *, placed_at: datetime | None = None, token: str | None = None,
    total: str = "48.00", sent_off_at: datetime | None = None, refunded: str | None = None,
    refunded_at: datetime | None = None, cancelled: bool = False, consents: bool = False,
) -> dict[str, Any]:  # fmt: skip
    body = builders.order_body(
        order_id, placed_at or at, token=token, email=f"{who}@example.com", customer_id=PEOPLE[who]
    ) | {
        "updated_at": at.isoformat(), "total_price": total, "buyer_accepts_marketing": consents, "currency": "EUR",
        "presentment_currency": "EUR", "cancelled_at": at.isoformat() if cancelled else None,
    }  # fmt: skip
    if sent_off_at:
        parcel = {
            "id": 700 + order_id, "order_id": order_id, "status": "success", "created_at": sent_off_at.isoformat(),
            "updated_at": sent_off_at.isoformat(), "shipment_status": None, "line_items": [],
        }  # fmt: skip
        body |= {"fulfillment_status": "fulfilled", "fulfillments": [parcel]}
    if refunded:
        body["refunds"] = [{
            "id": 500 + order_id, "order_id": order_id, "created_at": (refunded_at or at).isoformat(),
            "refund_line_items": [],
            "transactions": [{"id": 1, "kind": "refund", "status": "success", "amount": refunded, "currency": "EUR"}],
        }]  # fmt: skip
    return body


def _woo_order(
    order_id: int, at: datetime, who: str, *, placed_at: datetime | None = None, token: str | None = None,
    total: str = "48.00", sent_off_at: datetime | None = None, refunded: str | None = None,
    refunded_at: datetime | None = None, cancelled: bool = False, consents: bool = False,
) -> dict[str, Any]:  # fmt: skip
    first = (placed_at or at).isoformat()
    meta = [{"id": 1, "key": "_wc_other/cartwheel/marketing-consent", "value": "1"}] if consents else []
    meta += [{"id": 2, "key": "_cartwheel_checkout_token", "value": token}] if token else []
    status = "cancelled" if cancelled else "completed" if sent_off_at else "processing"
    return {
        "id": order_id, "number": str(order_id), "status": status, "currency": "EUR", "date_created_gmt": first,
        "date_modified_gmt": at.isoformat(), "date_paid_gmt": first, "meta_data": meta, "total": total,
        "date_completed_gmt": sent_off_at.isoformat() if sent_off_at else None, "customer_id": PEOPLE[who],
        "billing": {"email": f"{who}@example.com", "first_name": who.title(), "country": "DE"}, "created_via": "checkout",
        "refunds": [{"id": 1, "total": f"-{refunded}"}] if refunded else [],
        "line_items": [{"id": 1, "name": "Heron Lamp", "quantity": 1, "price": 48.0, "product_id": 21, "total": "48.00"}],
    }  # fmt: skip
