"""How the shop is doing with us, in plain words: what is well, what is not, and what to do about it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import g, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext

from app.config import Transport, settings
from app.db import sessions
from app.models import NO_SHOP, Shop, ShopState
from app.services import answers, sender_checks
from app.services import health as facts
from app.services.watch import SCHEDULER_SILENCE
from app.web.admin import show
from app.web.admin.door import blueprint, opened
from app.web.admin.settings_facts import RECORDS
from app.web.guards import Guard, guarded, shop_id

LATE = timedelta(minutes=5)  # what waits longer than that is told; a busy minute is not
QUIET = timedelta(days=3)  # without a webhook; a small shop may have a quiet weekend


@dataclass(frozen=True, slots=True)
class Check:
    """One line: how it stands (ok, info, warn or crit), in words, and what to do; `link` is where."""

    tone: str
    name: str
    said: str
    remedy: str = ""
    link: tuple[str, str] | None = None  # an address and its words


@blueprint.get("/health")
@guarded(Guard.MERCHANT)
def health() -> ResponseReturnValue:
    """Show what is stored about the shop's health; no shop, mail service or name server is asked."""
    with opened() as session:
        inside = facts.inside(session, g.frame.shop, now=g.frame.now)
    with sessions().begin() as owner:
        outside = facts.outside(owner, shop_id(), now=g.frame.now)
    checks = [
        *_connection(g.frame.shop, inside),
        *_webhooks(inside),
        *_mail(inside, outside),
        *_sender(g.frame.shop, inside),
        *_unhappy(inside),
        *_queues(inside, outside),
    ]
    worst = next((tone for tone in ("crit", "warn") if any(c.tone == tone for c in checks)), "ok")
    cursors = [c for c in inside.cursors if c.watermark or c.began_at or c.counted_at or c.error]  # those that can be read
    return render_template(
        "admin/health.html", checks=checks, worst=worst, cursors=cursors, causes=inside.causes, kinds=_kinds()
    )


def _kinds() -> dict[str, str]:
    return {
        "orders": _("Orders"), "checkouts": _("Open carts"), "customers": _("Customers"), "products": _("Products"),
        "reviews": _("Reviews"),
    }  # fmt: skip


def _connection(shop: Shop, inside: facts.Inside) -> Iterator[Check]:
    name, again = _("Connection"), None
    if shop.platform == "woocommerce":
        again = (url_for("woocommerce.start", shop=shop.url), _("Connect it again"))
    if shop.state == ShopState.RECONNECT:
        said = _("The keys that your shop gave us no longer work. No mail leaves until it is connected again.")
        yield Check("crit", name, said, "" if again else _("Open Cartwheel once in the admin of your shop."), again)
    elif shop.state == ShopState.PAUSED:
        yield Check("warn", name, _("Your shop is paused in Cartwheel: nothing is sent."), _("Ask whoever runs Cartwheel."))
    elif inside.connection and inside.connection.problem:
        yield Check("warn", name, inside.connection.problem, "", again)
    else:
        yield Check("ok", name, _("Your shop is connected, and its keys work."))
    if shop.platform == "woocommerce":
        yield _companion(inside)


def _companion(inside: facts.Inside) -> Check:
    name, held = _("Companion plugin"), inside.connection
    if held is None or held.looked_at is None:
        return Check("info", name, _("We have not looked yet."), _("This takes a minute after connecting."))
    if held.companion:
        return Check("ok", name, _("Version %(version)s is active.", version=held.companion))
    remedy = _("Install it from the page that connects your shop: without it WooCommerce tells nobody of carts.")
    return Check("warn", name, _("It is not active in your WordPress, so no cart can be followed up."), remedy)


def _webhooks(inside: facts.Inside) -> Iterator[Check]:
    name = _("News from your shop")
    log = (url_for("admin.webhooks"), _("See the webhooks"))
    if inside.webhook_ailment:
        yield Check("warn", name, inside.webhook_ailment, _("We put it right by ourselves within the hour."))
    elif inside.webhook_at is None:
        said = _("Nothing came in yet.")
        yield Check("info", name, said, _("Put something into a cart in your shop: it arrives here within seconds."))
    elif g.frame.now - inside.webhook_at > QUIET:
        said = _("The last news is %(length)s old.", length=show.about(g.frame.now - inside.webhook_at))
        yield Check("warn", name, said, _("If your shop had visitors since, connect it again."), log)
    else:
        yield Check("ok", name, _("The last news came %(length)s ago.", length=show.about(g.frame.now - inside.webhook_at)))
    yield from _failed(inside)
    yield from _untold(inside.untold)


def _untold(untold: facts.Untold) -> Iterator[Check]:
    """Say what the shop does not know, and that nobody is mailed because of it: what people said to us holds here."""
    if untold.consents:
        said = ngettext(
            "Your shop does not know yet what %(num)s person told us about marketing mail.",
            "Your shop does not know yet what %(num)s people told us about marketing mail.",
            untold.consents,
        )
        remedy = _(
            "We heed it. Where your shop mails by itself, set it there by hand: it was not taken after several tries."
        )
        yield Check("warn", _("Told to your shop"), f"{said} {untold.error}".strip(), remedy)
    if untold.tags:
        said = ngettext(
            "%(num)s tag could not be given or taken in your shop.",
            "%(num)s tags could not be given or taken in your shop.",
            untold.tags,
        )
        remedy = _("Set it there by hand if you use it: it was not taken after several tries.")
        yield Check("warn", _("Tags in your shop"), f"{said} {untold.error}".strip(), remedy)


def _failed(inside: facts.Inside) -> Iterator[Check]:
    count = sum(cause.count for cause in inside.causes)
    if count:
        said = ngettext("%(num)s webhook could not be understood.", "%(num)s webhooks could not be understood.", count)
        log = (url_for("admin.webhooks", state="failed"), _("See them"))
        yield Check("crit", _("Failed webhooks"), said, _("They are kept. Replay them once the cause is gone."), log)


def _mail(inside: facts.Inside, outside: facts.Outside) -> Iterator[Check]:
    name = _("Sending")
    for pause in outside.pauses:
        # What a service said to somebody else's key may hold their names: of a pause of all, only that it is one.
        said = pause.reason if pause.shop_id != NO_SHOP else _("The mail service takes nothing from us at the moment.")
        remedy = _("Whoever runs Cartwheel has to mend it.") if pause.is_refusal else _("It is tried again by itself.")
        yield Check("crit" if pause.is_refusal else "warn", name, said, remedy)
    if not outside.pauses:
        yield Check("ok", name, _("Mail leaves as it should."))
    if inside.unknown_mails:
        count = inside.unknown_mails
        said = ngettext(
            "Of %(num)s mail we do not know whether it went out.",
            "Of %(num)s mails we do not know whether they went out.",
            count,
        )
        log = (url_for("admin.mails", state="unknown"), _("See them"))
        yield Check("warn", _("Unknown mails"), said, _("They are never sent again by themselves."), log)
    if inside.rivals:
        said = _("Your shop may be mailing about carts by itself: %(names)s.", names=", ".join(inside.rivals))
        yield Check("warn", _("Two mails about one cart"), said, _("Switch such mails off there, or people get two."))


def _unhappy(inside: facts.Inside) -> Iterator[Check]:
    """Tell of low scores that wait for somebody: those people get no marketing meanwhile."""
    if inside.unhappy:
        count = show.at_least(inside.unhappy, answers.LISTED_MOST)
        said = ngettext(
            "%(count)s low score is not settled.", "%(count)s low scores are not settled.", inside.unhappy, count=count
        )
        log = (url_for("admin.answers"), _("See the answers"))
        yield Check("warn", _("Unhappy shoppers"), said, _("They get no marketing until somebody has."), log)


def _sender(shop: Shop, inside: facts.Inside) -> Iterator[Check]:
    """Say what the DNS said last of the shop's domain; where no mail leaves, nobody asks it."""
    name, held = _("Your domain"), inside.sender
    where = (url_for("admin.settings") + "#sender-check", _("Check it now"))
    if held is None:
        if settings().mail_transport is not Transport.OUTBOX:
            said = _("We have not looked yet whether mailboxes believe %(domain)s.", domain=sender_checks.domain_of(shop))
            yield Check("info", name, said, _("This takes some minutes."), where)
        return
    age = show.about(held.age)
    wrong = [record for record in held.records if record.verdict != "ok"]
    for record in wrong:
        # Keys of DKIM cannot be listed: one under a name that nobody guesses is no fault.
        tone = "crit" if record.verdict == "fail" else "info" if record.kind == "dkim" else "warn"
        told = {"domain": held.domain, "what": record.detail, "length": age}
        said = _("%(domain)s: %(what)s. Looked at %(length)s ago.", **told)
        yield Check(tone, RECORDS[record.kind], said, record.remedy, where)
    if not wrong:
        said = _("Mailboxes can believe mail from %(domain)s. Looked at %(length)s ago.", domain=held.domain, length=age)
        yield Check("ok", name, said)


def _queues(inside: facts.Inside, outside: facts.Outside) -> Iterator[Check]:
    late = [
        (what, waits)
        for what, waits in (
            (_("news to be read"), inside.webhooks_wait),
            (_("decisions to be made"), outside.steps_wait),
            (_("mails to be sent"), inside.mails_wait),
        )
        if _is_late(waits.since)
    ]
    name, remedy = _("Waiting"), _("It is worked off by itself. If it grows, tell whoever runs Cartwheel.")
    silence = outside.scheduler_silence
    if silence is None or silence > SCHEDULER_SILENCE:
        said = _("The clock of Cartwheel stands still: no wait ends.")
        yield Check("crit", name, said, _("Whoever runs Cartwheel has to start its scheduler."))
    for what, waits in late:
        since = g.frame.now - (waits.since or g.frame.now)
        count = show.at_least(waits.count, facts.COUNTED_MOST)
        said = _("%(count)s %(what)s, the oldest for %(length)s.", count=count, what=what, length=show.about(since))
        yield Check("warn", name, said, remedy)
    if not late and silence is not None and silence <= SCHEDULER_SILENCE:
        yield Check("ok", name, _("Nothing of yours is late."))


def _is_late(since: datetime | None) -> bool:
    return since is not None and g.frame.now - since > LATE
