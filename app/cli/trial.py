"""`cartwheel mail preview` and `send-test`: a mail as a reader would get it, on the screen or in a mailbox."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from app.cli.output import emit, emit_list, json_option, say
from app.cli.scope import actor, shop_option, transaction
from app.config import settings
from app.models import DeliveryState, TestMail
from app.queues import QueueName, ring
from app.services import shops, trial_mail
from app.services.preview import Reader, preview

PATIENCE = 30.0  # seconds that `send-test` waits for the mail worker
_PAUSE = 0.5

_cart = click.option("--checkout", type=int, metavar="ID", help="Whose cart it shows; without it an example, or the newest.")
_locale = click.option("--locale", metavar="TAG", help="In which language, such as ar or zh-Hant; else the reader's.")


@click.command("preview")
@click.argument("flow")
@click.argument("step")
@_cart
@_locale
@click.option(
    "--html", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Write the HTML part to this file."
)
@shop_option
@json_option
def preview_(
    flow: str, step: str, checkout: int | None, locale: str | None, html: Path | None, shop: str | None, as_json: bool
) -> None:
    """Show a mail as one reader would get it, and what the checks say. Nothing is written or sent."""
    with transaction() as (session, now):
        found = shops.find(session, shop)
        reader = Reader(checkout_id=checkout, locale=locale)
        shown = preview(session, found, flow, step, reader, public_url=settings().public_url, now=now)
    if html:
        html.write_text(shown.mail.html, encoding="utf-8")
    mail = {"subject": shown.mail.subject, "preheader": shown.mail.preheader, "language": shown.mail.language}
    findings = [{"level": f.level, "code": f.code, "words": f.words, "fix": f.fix} for f in shown.findings]
    if as_json:
        emit({**mail, "text": shown.mail.text, "is_fallback": shown.mail.is_fallback, "checks": findings}, as_json=True)
        return
    emit(mail, as_json=False)
    click.echo(f"\n{shown.mail.text}")
    emit_list(findings, as_json=False, columns=("level", "words", "fix"), nothing="")


@click.command("send-test")
@click.argument("flow")
@click.argument("step")
@click.option("--to", required=True, metavar="ADDRESS", help="Who gets it.")
@_cart
@_locale
@shop_option
@json_option
def send_test(
    flow: str, step: str, to: str, checkout: int | None, locale: str | None, shop: str | None, as_json: bool
) -> None:
    """Send one mail as a test: marked as such, with a made-up coupon, and counted nowhere.

    It goes out through the mail worker. Its button leads back to a real cart of the shop where there is one.
    """
    with transaction() as (session, now):
        found = shops.find(session, shop)
        reader = Reader(checkout_id=checkout, locale=locale)
        wanted = trial_mail.request(session, found, flow, step, reader, to=to, actor=actor(), now=now)
        key = wanted.shop_id, wanted.id
    ring(QueueName.MAIL)
    row = _wait_for(key)
    emit(row, as_json=as_json)
    if row["state"] == DeliveryState.PENDING:
        say(f"No mail worker took it within {PATIENCE:.0f} s. It goes out when one runs: cartwheel worker mail")
    elif row["state"] != DeliveryState.SENT:
        raise SystemExit(1)


def _wait_for(key: tuple[int, int]) -> Mapping[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        with transaction() as (session, _):
            mail = session.get_one(TestMail, key)
            row = {
                "id": mail.key, "shop_id": mail.shop_id, "flow": mail.flow, "step": mail.step,
                "state": mail.state, "reason": mail.error, "recipient": mail.recipient, "subject": mail.subject,
                "sent_at": mail.sent_at, "provider_id": mail.provider_id,
            }  # fmt: skip
        if row["state"] not in {DeliveryState.PENDING, DeliveryState.SENDING} or time.monotonic() > deadline:
            return row
        time.sleep(_PAUSE)
