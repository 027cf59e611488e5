"""`cartwheel proof`: ask the ledger whether it agrees with what is promised."""

import click

from app.cli.durations import instant
from app.cli.output import Row, emit, json_option, progress, say
from app.cli.scope import shop_option, transaction
from app.services import proof as proofs
from app.services import shops, signin
from app.services.proof import Finding, Proof


@click.command()
@click.option("--since", default="1d", show_default=True, metavar="TIME|DURATION", help="Since 2026-11-19T08:00, or 1d ago.")
@shop_option
@json_option
def proof(since: str, shop: str | None, as_json: bool) -> None:
    """Check the ledger against the promises: no mail twice, none after a purchase, none without consent.

    The rows themselves are asked, not the code that wrote them. Times are real ones, also in the demo.
    The exit code is 3 when a promise was broken.
    """
    with transaction() as (session, _):
        until = signin.real_now(session)
        begins = instant(since, until)
        shop_id = shops.find(session, shop).id if shop else None
        mails = proofs.handed_over(session, since=begins, until=until, shop_id=shop_id)
        with progress("Mails checked", mails) as advance:
            found = proofs.prove(session, since=begins, until=until, shop_id=shop_id, advance=advance)
    emit(_row(found), as_json=as_json)
    if not found.holds:
        say("A promise was broken. Look at the mails: cartwheel mail show ID")
        raise click.exceptions.Exit(3)


def _row(found: Proof) -> Row:
    return {
        "since": found.since,
        "until": found.until,
        "due": found.due,
        "sent": found.states.get("sent", 0),
        "doubles": _told(found.doubles),
        "after_purchase": _told(found.after_purchase),
        "without_consent": _told(found.without_consent),
        "unknown": _told(found.unknown),
        "states": found.states,
        "holds": found.holds,
    }


def _told(finding: Finding) -> Row:
    return {"mails": finding.mails, "ids": finding.ids}
