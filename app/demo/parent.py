"""The parent of the demo: it owns the servers, makes two pretend shops known, and starts and stops everything else.

Of all in this folder it alone knows Cartwheel's services: it does what the shops' owners would do.
"""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app import clock, db, schema
from app.cli.doors import next_free
from app.cli.family import Member, keep_running
from app.cli.machine import PROCESSES, Box, alone, own_servers
from app.cli.output import say
from app.config import settings
from app.demo.config import DemoConfig
from app.domain.errors import CartwheelError
from app.embedded import Servers
from app.flows import abandoned_cart
from app.models import Shop
from app.services import edit_flow, install, signin
from app.services.install import ShopFacts

HOST = "127.0.0.1"
CLIENT_ID = "demo-client-id"
LINK_LIFE = timedelta(days=1)
ACTOR = "demo"
_NOT_INHERITED = ("CARTWHEEL_", "GRANIAN_", "FLASK_")  # another installation's settings must not leak into the demo
_TEA_AND_TIN = "tea-and-tin.myshopify.com"
_TEA_FACTS = ShopFacts(
    name="Tea & Tin",
    sender_email="hello@tea-and-tin.example",
    currency="USD",
    timezone="America/Los_Angeles",
    postal_address="18 Alder Street, Portland, OR 97205, USA",
)
_LAMP_FACTS = ShopFacts(
    name="Lamp Loft",
    sender_email="hello@lamp-loft.example",
    currency="EUR",
    timezone="Europe/Lisbon",
    postal_address="Rua das Flores 27, 1200-195 Lisboa, Portugal",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsakes:
    """What stays the same from one start to the next. `shops_port` is part of the WooCommerce shop's domain."""

    secret_key: str
    shopify_client_secret: str
    shopify_access_token: str
    woo_webhook_secret: str
    woo_consumer_key: str
    woo_consumer_secret: str
    shops_port: int

    def __repr__(self) -> str:
        return "Keepsakes(...)"


def run_demo(port: int, data_dir: Path, *, open_browser: bool = False) -> int:
    """Run the demo until it is stopped, and return the exit code.

    Raises:
        CartwheelError: it runs already, a server does not start, or no port is free.
    """
    data_dir = data_dir.absolute()
    with alone(data_dir):
        code = _run(port, data_dir, open_browser=open_browser)
    say(f"Stopped. The data stays in {data_dir}.")
    return code


def _run(port: int, data_dir: Path, *, open_browser: bool) -> int:
    before = _keepsakes(data_dir)
    web_port = _port(port, besides=before.shops_port)
    kept = replace(before, shops_port=_port(before.shops_port or web_port + 1, besides=web_port))
    _write(data_dir, kept)
    if web_port != port:
        say(f"Port {port} is taken; this demo uses {web_port}.")
    public_url, shops_url = f"http://{HOST}:{web_port}", f"http://{HOST}:{kept.shops_port}"
    with own_servers(data_dir) as servers:
        _set_environment(data_dir, public_url, shops_url, kept, servers)
        schema.migrate(db.engine())
        connection_id, token = _make_known(shops_url, kept, before.shops_port)
        db.engine().dispose()
        admin_url = f"{public_url}/admin/sign-in/{token}"
        addresses = {
            "Admin": admin_url, "In Shopify": f"{shops_url}/store/tea-and-tin/apps/{CLIENT_ID}",
            "Shop front": f"{shops_url}/", "Mailbox": f"{public_url}/mailbox/",
        }  # fmt: skip
        closing = "The admin's address opens once. Ctrl-C stops the demo; the data stays."
        box = Box(addresses, closing, opens=admin_url if open_browser else None)
        doors = [f"{public_url}/readyz", f"{shops_url}/"]
        shops = _shops_process(data_dir, public_url, shops_url, kept, connection_id)
        return keep_running([*PROCESSES, shops], os.environ, when_started=lambda: box.show_when_ready(doors))


def _keepsakes(data_dir: Path) -> Keepsakes:
    """Read demo.json, or make new secrets for a new folder; port 0 means that none was chosen yet."""
    file = data_dir / "demo.json"
    if file.exists():
        try:
            return Keepsakes(**json.loads(file.read_text()))
        except (ValueError, TypeError) as exc:
            raise CartwheelError(f"{file} cannot be read. Delete the folder {data_dir} to begin anew.") from exc
    if (data_dir / "postgres").exists():
        raise CartwheelError(f"{file} is gone, and with it the key of the demo's data. Delete the folder {data_dir}.")
    return Keepsakes(
        secret_key=secrets.token_urlsafe(32),
        shopify_client_secret=f"shpss_{secrets.token_hex(16)}",
        shopify_access_token=f"shpat_{secrets.token_hex(16)}",
        woo_webhook_secret=secrets.token_urlsafe(24),
        woo_consumer_key=f"ck_{secrets.token_hex(20)}",
        woo_consumer_secret=f"cs_{secrets.token_hex(20)}",
        shops_port=0,
    )


def _write(data_dir: Path, kept: Keepsakes) -> None:
    """Write demo.json for this user's eyes only, whole or not at all."""
    draft = data_dir / "demo.json.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(kept), file, indent=2)
    draft.replace(data_dir / "demo.json")


def _port(wanted: int, *, besides: int) -> int:
    port = next_free(wanted, host=HOST, taken=(besides,))
    if port is None:
        raise CartwheelError(f"No port from {wanted} on is free. Choose a lower one with --port.")
    return port


def _set_environment(data_dir: Path, public_url: str, shops_url: str, kept: Keepsakes, servers: Servers) -> None:
    """Put the demo's settings into the environment, for this process and for those that it starts."""
    for name in [n for n in os.environ if n.startswith(_NOT_INHERITED)]:
        del os.environ[name]
    os.environ.update(
        DATABASE_URL=servers.database_url,
        REDIS_URL=servers.redis_url,
        PORT=public_url.rpartition(":")[2],
        CARTWHEEL_ENV="development",
        CARTWHEEL_HOST=HOST,
        CARTWHEEL_PUBLIC_URL=public_url,
        CARTWHEEL_SECRET_KEYS=kept.secret_key,
        CARTWHEEL_DATA_DIR=str(data_dir),
        CARTWHEEL_SHOPIFY_CLIENT_ID=CLIENT_ID,
        CARTWHEEL_SHOPIFY_CLIENT_SECRET=kept.shopify_client_secret,
        CARTWHEEL_SHOPIFY_API_BASE=f"{shops_url}/shopify",
        CARTWHEEL_SHOPIFY_ADMIN_URL=shops_url,
        CARTWHEEL_SHOPIFY_APP_BRIDGE_URL=f"{shops_url}/static/demo/app-bridge.js",
        CARTWHEEL_DEMO_SHOPS_URL=shops_url,
        CARTWHEEL_ALLOW_LOOPBACK_SHOPS="true",
        CARTWHEEL_MAIL_TRANSPORT="outbox",
        CARTWHEEL_STAFF_SENDER="desk@cartwheel.example",
        CARTWHEEL_LOG_FORMAT="console",
        CARTWHEEL_LEASE_SECONDS="15",
    )
    settings.cache_clear()


def _make_known(shops_url: str, kept: Keepsakes, old_port: int) -> tuple[str, str]:
    """Connect both shops where they are not yet, and return Lamp Loft's connection id and a sign-in token for both."""
    url = f"{shops_url}/woocommerce"
    with db.sessions().begin() as session:
        now = clock.now(session)
        tea = _find(session, _TEA_AND_TIN)
        if tea is None:
            token = kept.shopify_access_token
            tea = install.connect_shopify(session, _TEA_AND_TIN, token, _TEA_FACTS, actor=ACTOR, now=now)
            _begin(session, tea, now)
        lamp = _find(session, f"{HOST}:{old_port}/woocommerce")
        if lamp is None:
            lamp = install.connect_woocommerce(
                session, url, key=kept.woo_consumer_key, secret=kept.woo_consumer_secret,
                webhook_secret=kept.woo_webhook_secret, facts=_LAMP_FACTS, actor=ACTOR, now=now,
            )  # fmt: skip
            _begin(session, lamp, now)
        # Its port was taken meanwhile: the shop moves, and keeps its data.
        lamp.url, lamp.domain = url, url.removeprefix("http://")
        return str(lamp.connection_id), signin.create_link(
            session, [tea.id, lamp.id], now=signin.real_now(session), lifetime=LINK_LIFE
        )


def _find(session: Session, domain: str) -> Shop | None:
    return session.scalar(select(Shop).where(Shop.domain == domain))


def _begin(session: Session, shop: Shop, now: datetime) -> None:
    """Switch the cart flow on, the first time only: what the person chooses later stays."""
    edit_flow.switch(session, shop.id, abandoned_cart.FLOW.key, on=True, actor=ACTOR, now=now)


def _shops_process(data_dir: Path, public_url: str, shops_url: str, kept: Keepsakes, connection_id: str) -> Member:
    config = DemoConfig(
        cartwheel_url=public_url,
        shops_url=shops_url,
        shopify_client_id=CLIENT_ID,
        shopify_client_secret=kept.shopify_client_secret,
        shopify_access_token=kept.shopify_access_token,
        woo_connection_path=f"/webhooks/woocommerce/{connection_id}",
        woo_webhook_secret=kept.woo_webhook_secret,
        woo_consumer_key=kept.woo_consumer_key,
        woo_consumer_secret=kept.woo_consumer_secret,
        data_dir=data_dir,
        database_url=os.environ["DATABASE_URL"],
        admin_url=f"{public_url}/admin/",
        mailbox_url=f"{public_url}/mailbox/",
    )
    return Member("shops", ("demo-shops",), {"CARTWHEEL_DEMO_SHOPS": json.dumps(asdict(config), default=str)})
