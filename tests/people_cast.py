"""Rows for the tests of the customers', coupons' and health pages: one person with everything that can happen to one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import crypto
from app.models import (
    Answer,
    Checkout,
    ConsentRow,
    Coupon,
    Customer,
    CustomerIdentity,
    DecisionRow,
    Delivery,
    Engagement,
    Enrollment,
    Link,
    Order,
    Reply,
    ScheduledStep,
    Shipment,
    Shop,
)
from app.services import snapshots

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Shopper:
    """The ids that tests ask for."""

    id: int
    run: int
    mail: int
    order: str
    entries: int  # in the timeline


def known_person(session: Session, shop_id: int, email: str, now: datetime, **names: str) -> Customer:
    """Somebody with an address who agreed to marketing mail at a checkout, with the ledger's row of it."""
    shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
    person = Customer(shop_id=shop_id, email=email, **names)
    session.add(person)
    session.flush()
    said = {"consent_state": "subscribed", "consent_at": now, "agreed_at": now}
    session.add(CustomerIdentity(shop_id=shop_id, kind="email", value=email, customer_id=person.id, **said))
    session.add(
        ConsentRow(
            shop_id=shop_id, customer_id=person.id, email_hash=crypto.hash_email(snapshots.hash_key(shop), email),
            state="subscribed", at=now, source="checkout", wording="Send me offers", evidence={"object_id": "cart-x"},
        )
    )  # fmt: skip
    session.flush()
    return person


def waiting_run(
    session: Session, shop_id: int, person: Customer, now: datetime, *, token: str, due_in: timedelta = HOUR
) -> Enrollment:
    """A run of the abandoned cart that waits for its first mail."""
    lines = [{"title": "Stoneware mug", "quantity": 2, "price_minor": 2400, "product_id": "1", "variant_id": "1"}]
    cart = Checkout(
        shop_id=shop_id, token=token, email=person.email, lines=lines, currency="USD", subtotal_minor=4800,
        total_minor=4800, started_at=now, changed_at=now, rank="0", customer_id=person.id,
    )  # fmt: skip
    run = Enrollment(
        shop_id=shop_id, flow="abandoned_cart", version=1, subject_key="checkout", episode=token, arm="treated",
        customer_id=person.id, entered_at=now,
    )  # fmt: skip
    session.add_all([cart, run])
    session.flush()
    session.add(ScheduledStep(shop_id=shop_id, enrollment_id=run.id, step_no=0, due_at=now + due_in, came_at=now))
    saw = {"cart_pieces": 2, "consent": "subscribed", "flow_on": True, "shop": "active"}
    waits = [{"effect": "Schedule", "step_no": 0, "due_at": (now + due_in).isoformat()}]
    session.add(
        DecisionRow(
            shop_id=shop_id, enrollment_id=run.id, version=1, step_no=0, because="entered", saw=saw, effects=waits,
            decided_at=now,
        )
    )  # fmt: skip
    session.flush()
    return run


def pending_mail(session: Session, run: Enrollment, step: str, now: datetime, *, state: str = "pending") -> Delivery:
    """A mail of a run that is in the ledger."""
    mail = Delivery(
        shop_id=run.shop_id, enrollment_id=run.id, flow=run.flow, step=step, customer_id=run.customer_id,
        recipient="zoe@example.com", token=f"{run.shop_id:04}{run.id:08}{step[:4]}".encode(), state=state, due_at=now,
        step_due_at=now, created_at=now, sent_at=now if state == "sent" else None,
    )  # fmt: skip
    session.add(mail)
    session.flush()
    return mail


def busy_shopper(session: Session, shop_id: int, now: datetime) -> Shopper:
    """Zoe: a cart with a run, a mail sent with a coupon, a click, an order with the code, a parcel, stars."""
    at = now - 6 * HOUR
    person = known_person(session, shop_id, "zoe@example.com", at, first_name="Zoé", last_name="Ångström")
    run = waiting_run(session, shop_id, person, at, token=f"zoe-{shop_id}", due_in=7 * HOUR)
    mail = pending_mail(session, run, "coupon", at + HOUR, state="sent")
    code = f"TEATI-ZOE{shop_id}"
    session.add(
        Coupon(
            shop_id=shop_id, enrollment_id=run.id, step="coupon", code=code, percent=10, state="minted", starts_at=at,
            expires_at=now + 48 * HOUR, created_at=at, order_external_id=f"zoe-{shop_id}",
        )
    )  # fmt: skip
    order = Order(
        shop_id=shop_id, external_id=f"zoe-{shop_id}", number="#1001", status="paid", customer_id=person.id, currency="USD",
        total_minor=5900, refunded_minor=900, discount_codes=[code], is_test=False, started_at=at + 2 * HOUR,
        changed_at=at + 2 * HOUR, rank="0", placed_at=at + 2 * HOUR,
    )  # fmt: skip
    link = Link(
        shop_id=shop_id, delivery_id=mail.id, position=2, token=f"link{shop_id:012}".encode(), url="https://tea.example/mug"
    )
    session.add_all([order, link])
    session.flush()
    session.add_all(
        [
            Engagement(shop_id=shop_id, delivery_id=mail.id, link_id=link.id, kind="clicked", at=at + 1.5 * HOUR),
            Engagement(shop_id=shop_id, delivery_id=mail.id, kind="clicked", machine="robot", at=at + 1.5 * HOUR),
            Shipment(
                shop_id=shop_id, external_id=f"zoe-{shop_id}", order_external_id=order.external_id, state="delivered",
                changed_at=at + 3 * HOUR, rank="0", delivered_at=at + 4 * HOUR,
            ),
            Answer(
                shop_id=shop_id, delivery_id=mail.id, enrollment_id=run.id, customer_id=person.id, score=5, is_low=False,
                words="Lovely", answered_at=at + 5 * HOUR,
            ),
            Reply(
                shop_id=shop_id, delivery_id=mail.id, customer_id=person.id, message_key=b"zoe", is_automatic=False,
                text="Is the mug safe for children? " * 20, received_at=at + 5 * HOUR,
            ),
        ]
    )  # fmt: skip
    session.flush()
    # consent, cart, decision, mail, click, order, parcel, answer
    return Shopper(id=person.id, run=run.id, mail=mail.id, order=order.external_id, entries=8)
