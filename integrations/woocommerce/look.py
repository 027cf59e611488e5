"""What a shop shows before and after it is connected: is it one, which versions, who else mails its shoppers."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.domain.errors import Permanent
from app.domain.ports import ShopAccess
from integrations.addresses import is_callable
from integrations.http import Answer, ask, dig
from integrations.woocommerce.rest import WHO, RestClient

LOOK_SECONDS = 10.0  # in all; a stranger chose whom we ask
LARGEST_LOOK = 5 * 2**20  # bytes; the index lists every route of every plugin
COMPANION = "cartwheel/v1"
OLDEST = (8, 2)  # WooCommerce with HPOS as its standard; older ones were never tried
_API = "wc/v3"
# Plugins that mail shoppers about carts they left, by their folder. What of them is switched on, REST does not show.
SENDERS = {
    "automatewoo": "AutomateWoo",
    "mailpoet": "MailPoet",
    "mailpoet-premium": "MailPoet",
    "woo-cart-abandonment-recovery": "Cart Abandonment Recovery (CartFlows)",
    "woocommerce-abandoned-cart": "Abandoned Cart Lite",
    "woocommerce-abandon-cart-pro": "Abandoned Cart Pro",
    "woo-abandoned-cart-recovery": "Abandoned Cart Recovery",
    "yith-woocommerce-recover-abandoned-cart-premium": "YITH Recover Abandoned Cart",
    "wp-marketing-automations": "FunnelKit Automations",
    "klaviyo": "Klaviyo",
    "mailchimp-for-woocommerce": "Mailchimp for WooCommerce",
    "omnisend-connect": "Omnisend",
    "creative-mail-by-constant-contact": "Creative Mail",
    "woocommerce-sendinblue-newsletter-subscription": "Brevo",
    "retainful-next-order-coupon-for-woocommerce": "Retainful",
    "follow-up-emails": "Follow-Up Emails",
}
# WooCommerce's own mail about unpaid orders, two hours later, from release 11.0 on (pull requests 65136 and 66393).
_OWN_SETTINGS = "settings/email_customer_abandoned_cart_recovery"
_OWN_NAME = "WooCommerce's own abandoned cart mail"
_ADDRESS = (
    "woocommerce_store_address", "woocommerce_store_address_2", "woocommerce_store_postcode", "woocommerce_store_city",
    "woocommerce_default_country",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What a shop tells everybody. `home` is its own spelling of its address, which its signatures are made over."""

    name: str
    home: str
    timezone: str
    has_companion: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a shop tells the holder of its keys. `senders` mail about carts as well, by the names that people know."""

    version: str
    wordpress: str
    locale: str
    currency: str
    companion: str
    senders: tuple[str, ...]
    sender_email: str
    address: str


class NoShop(Permanent):
    """No shop that we can work for is at an address; the message says what the merchant can do about it.

    `instead` is the address that the shop says is its own, where that is another.
    """

    def __init__(self, message: str, instead: str = "") -> None:
        super().__init__(message)
        self.instead = instead


def look(url: str) -> Front:
    """Look at a shop from outside, as anybody may.

    Raises:
        NoShop: there is none that we can work for.
        Transient, Ambiguous, Permanent: as their names say.
    """
    answer = _fetch(f"{url}/wp-json/", url)
    namespaces = dig(answer.body, "namespaces")
    if not isinstance(namespaces, list):
        raise _no_index(answer, url)
    if _API not in namespaces:
        raise NoShop("WordPress answers, and WooCommerce does not. Activate WooCommerce, and let its REST API through.")
    home = str(dig(answer.body, "home") or dig(answer.body, "url") or "").rstrip("/")
    if home != url:
        raise NoShop(f"The shop calls itself {_shown(home)}. Enter that address.", _usable(home))
    name, zone = dig(answer.body, "name"), dig(answer.body, "timezone_string")
    return Front(
        name=str(name or "")[:120],
        home=home,
        timezone=str(zone or "")[:64],
        has_companion=COMPANION in namespaces,
    )


def look_inside(access: ShopAccess) -> Inside:
    """Prove the keys against this very shop, and read what they show.

    Raises:
        NotAllowed: the keys are not this shop's, or were revoked.
        NoShop: the keys work and the shop is too old, or calls itself something else.
        Transient, Ambiguous, Permanent: as their names say.
    """
    with RestClient(access) as shop:
        fields = {"_fields": ["environment", "settings", "active_plugins"]}
        status = shop.read("system_status", fields)
        plugins = _plugins(dig(status, "active_plugins"))
        senders = [*(name for folder, name in SENDERS.items() if folder in plugins), *_own_senders(shop)]
        sender, address = _values(shop, "settings/email"), _values(shop, "settings/general")
    home = str(dig(status, "environment", "home_url") or "").rstrip("/")
    if home != access.base_url:
        raise NoShop(f"The keys belong to {_shown(home)}, and not to this shop.")
    version = str(dig(status, "environment", "version") or "")[:20]
    if _number(version) < OLDEST:
        raise NoShop(f"This shop has WooCommerce {version or 'of an unknown version'}. Update it to 8.2 or newer.")
    return Inside(
        version=version,
        wordpress=str(dig(status, "environment", "wp_version") or "")[:20],
        locale=str(dig(status, "environment", "language") or "").replace("_", "-")[:20],
        currency=str(dig(status, "settings", "currency") or "")[:3],
        companion=plugins.get("cartwheel", ""),
        senders=tuple(dict.fromkeys(senders)),
        sender_email=sender.get("woocommerce_email_from_address", "")[:254],
        address=", ".join(part for name in _ADDRESS if (part := address.get(name, "").strip()))[:300],
    )


def _fetch(address: str, url: str) -> Answer:
    """Ask an address that a stranger typed.

    Raises:
        NoShop: it may not be called.
        Transient, Ambiguous, Permanent: as their names say.
    """
    from integrations.pinned import new_session, time_limit  # loads requests: not in the web process
    from integrations.woocommerce.carrier import AGENT

    if not is_callable(urlsplit(url)):
        raise NoShop("Give the shop's public address, beginning with https://")
    headers = {"User-Agent": AGENT, "Accept": "application/json"}
    with new_session() as session, time_limit(LOOK_SECONDS):
        send = session.get
        return ask(
            lambda: send(address, headers=headers, timeout=LOOK_SECONDS, allow_redirects=False, stream=True),
            WHO,
            largest=LARGEST_LOOK,
        )


def _no_index(answer: Answer, url: str) -> NoShop:
    """Say why there is no index: a redirect, plain permalinks, a wall, or no WordPress at all."""
    if 300 <= answer.status < 400:
        to = answer.headers.get("location", "").partition("/wp-json")[0]
        return NoShop(f"The shop sends us on to {_shown(to)}. Enter that address.", _usable(to))
    if answer.status in {401, 403, 429} or answer.status >= 500:
        return NoShop(
            f"The shop turned us away ({answer.status}). A firewall, a maintenance page or a password may stand before "
            "its REST API: let /wp-json/ through, then try again."
        )
    plain = _fetch(f"{url}/?rest_route=/", url)
    if isinstance(dig(plain.body, "namespaces"), list):
        return NoShop(
            "The shop's permalinks are set to “Plain”, which hides its REST API. In WordPress, open Settings, Permalinks, "
            "choose “Post name” and save."
        )
    return NoShop("There is no WordPress shop at this address. Enter the address of the shop's front page.")


def _usable(url: str) -> str:
    try:
        parts = urlsplit(url)
        return url if is_callable(parts) and not parts.query else ""
    except ValueError:
        return ""


def _shown(url: str) -> str:
    """Return as much of an address as may be shown: scheme, host and path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "another address"
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:200] if parts.netloc else "another address"


def _plugins(listed: object) -> dict[str, str]:
    """Return the active plugins' folders with their versions."""
    rows = listed if isinstance(listed, list) else []
    return {str(dig(row, "plugin") or "").partition("/")[0]: str(dig(row, "version") or "")[:20] for row in rows}


def _own_senders(shop: RestClient) -> list[str]:
    """Return WooCommerce's own mail where it is switched on; a shop before 11.0 answers 404."""
    said = _values(shop, _OWN_SETTINGS)
    is_on = said.get("enabled") == "yes" and said.get("automated") == "yes" and said.get("suppressed") != "yes"
    return [_OWN_NAME] if is_on else []


def _values(shop: RestClient, path: str) -> dict[str, str]:
    """Return the values of a group of settings, none where the shop does not have or not show them."""
    answer = shop.get(path)
    rows = answer.body if answer.status == 200 and isinstance(answer.body, list) else []
    return {str(dig(row, "id")): str(dig(row, "value") or "") for row in rows}


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
