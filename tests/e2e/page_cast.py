"""The rows and links that the addresses of tests/e2e/pages.py are filled in with."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

import jobs.inbox
import jobs.mail
import jobs.rehearsals
import jobs.runner
from app import clock, crypto
from app.config import settings
from app.models import Customer, Delivery, OptIn, Role, Shop
from app.services import edit_flow, edit_rules, mail_rules, opt_in, rehearsals, replays, signin, staff
from app.services.content import unsubscribe_token
from app.services.opt_in import SignUp
from jobs import housekeeping
from tests import builders
from tests.admin_cast import Cast, link
from tests.people_cast import busy_shopper, pending_mail, waiting_run

Maker = sessionmaker[Session]


def filled_in(house: Maker, cast: Cast) -> dict[str, object]:
    """Make one row of each kind, a mail in the mailbox, and links that are still good; return what is in addresses."""
    return {
        **cast.mails, "webhook": cast.webhooks["failed"], "shop": cast.tea, "link": link(house, cast.tea),
        "staff_link": f"/support/sign-in/{staff_token(house, 'bo@example.com')}",
        "eml": _mail_in_the_mailbox(house, cast.tea), "rehearsal": _rehearsal(house, cast.tea),
        **_replays(house), **_of_shoppers(house, cast),
    }  # fmt: skip


def staff_token(house: Maker, email: str) -> str:
    """Invite an admin and return the token of the link."""
    with house.begin() as session:
        return staff.invite(session, email, Role.ADMIN, actor="test", now=signin.real_now(session))


def _mail_in_the_mailbox(house: Maker, shop_id: int) -> str:
    with house.begin() as session:
        body = builders.checkout_body("axe", clock.now(session), email="axe@example.com")
        builders.store_webhook(session, shop_id, "checkouts/update", body, key="axe")
    jobs.inbox.drain()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    jobs.runner.drain()
    jobs.mail.drain()
    return next(iter(settings().outbox_dir.glob("*.eml"))).stem


def _rehearsal(house: Maker, shop_id: int) -> int:
    with house.begin() as session:
        cart = edit_flow.current(session, shop_id, "abandoned_cart").flow
        asked = rehearsals.ask(session, shop_id, cart, version=1, days=90, actor="test", now=clock.now(session))
    jobs.rehearsals.drain()
    return asked.id


def _replays(house: Maker) -> dict[str, object]:
    """One that is under way, and a dry run that foretold what would happen."""
    ids = []
    for is_dry_run in (True, False):
        with house.begin() as session:
            asked = replays.ask(
                session, replays.Which(), is_dry_run=is_dry_run, actor="test", reason="mended", now=clock.now(session)
            )
            ids.append(asked.id)
        if is_dry_run:
            housekeeping.drain()
    return {"foretold": ids[0], "replay": ids[1]}


def _of_shoppers(house: Maker, cast: Cast) -> dict[str, object]:
    """What stands in the links of mails: to refuse, to choose, to confirm, to answer."""
    with house.begin() as session:
        now = clock.now(session)
        zoe = busy_shopper(session, cast.tea, cast.now)
        person = session.scalars(select(Customer).where(Customer.id == zoe.id)).one()
        asked = waiting_run(session, cast.tea, person, now, token="axe-asked")
        asked.subject_key, asked.episode = "order", zoe.order
        stars = pending_mail(session, asked, "request", now, state="sent")
        sent = session.scalars(select(Delivery).where(Delivery.id == cast.mails["sent"])).one()
        return {
            "customer": zoe.id, "token": unsubscribe_token(sent), "stars": unsubscribe_token(stars),
            "form": edit_rules.form_token(session, cast.tea, now=now), "confirm": _asked_to_confirm(session, cast.tea),
        }  # fmt: skip


def _asked_to_confirm(session: Session, shop_id: int) -> str:
    now = clock.now(session)
    edit_rules.change(session, shop_id, {"double_opt_in": True}, actor="test", now=now)
    shop = session.scalars(select(Shop).where(Shop.id == shop_id)).one()
    wish = SignUp(email="dora@example.com", wording="Yes, please.", locale="en", address="203.0.113.7", page="")
    opt_in.sign_up(session, shop, mail_rules.of(session, shop_id), wish, now=now)
    asked = session.scalars(select(OptIn)).one()
    return crypto.decrypt(shop_id, asked.token_sealed)
