"""The webhooks in a shop's settings: made by us, watched, and made anew when the shop switched them off.

A shop switches a webhook off at the seventh failure in a row and keeps the count when it is switched on again, so the next
failure ends it: a new one begins at nought (platform notes, woocommerce.md 0.3). Each signs with a secret of its own, made
from the connection's and the topic, so that a body of one topic is refused under the name of another.
"""

from collections.abc import Iterable, Mapping

from app.domain.errors import NotAllowed
from app.domain.ports import ShopAccess
from integrations.http import dig
from integrations.woocommerce.rest import RestClient, failed, word
from integrations.woocommerce.topics import COMPANION_TOPICS, TOPICS
from integrations.woocommerce.verify import secret_of

_UNKNOWN_TOPIC = "woocommerce_rest_shop_webhook_invalid_topic"
_CREATED, _GONE = 201, 404

Listed = Mapping[str, object]


def look_after(access: ShopAccess, address: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Compare the shop's webhooks with those we need and set them right; return what is missing, and what was mended.

    A webhook that a person paused stays paused and counts as missing.

    Raises:
        Transient, Ambiguous, NotAllowed, Permanent: as their names say; the next look finds what this one made.
    """
    if not access.hook_secret:
        raise NotAllowed("The shop's webhook secret is missing. Connect the shop again.")
    missing, mended = [], []
    with RestClient(access) as shop:
        ours = [hook for page in shop.pages("webhooks") for hook in page if dig(hook, "delivery_url") == address]
        for topic in (*TOPICS, *COMPANION_TOPICS):
            held = [hook for hook in ours if dig(hook, "topic") == topic]
            status = _status(held)
            if status == "paused":
                missing.append(topic)
            elif status != "active" and not _make(shop, access, topic, address):
                break  # no companion: it brings all of its topics, or none
            elif status != "active":
                mended.append(topic)
            _clear(shop, held, status)
    return tuple(missing), tuple(mended)


def remove_all(access: ShopAccess, address: str) -> int:
    """Delete our webhooks, as when a shop is disconnected, and return how many there were."""
    with RestClient(access) as shop:
        ours = [hook for page in shop.pages("webhooks") for hook in page if dig(hook, "delivery_url") == address]
        for hook in ours:
            _delete(shop, hook)
    return len(ours)


def _status(held: Iterable[Listed]) -> str:
    statuses = {str(dig(hook, "status")) for hook in held}
    return next((status for status in ("active", "paused", "disabled") if status in statuses), "absent")


def _make(shop: RestClient, access: ShopAccess, topic: str, address: str) -> bool:
    """Make the webhook of a topic; False when the shop does not know the topic, which only the companion's may be."""
    secret = secret_of(access.hook_secret, topic)
    wanted = {"name": f"Cartwheel: {topic}", "topic": topic, "delivery_url": address, "secret": secret}
    answer = shop.post("webhooks", wanted)
    if answer.status == _CREATED:
        return True
    if topic in COMPANION_TOPICS and word(answer) == _UNKNOWN_TOPIC:
        return False
    raise failed(answer)


def _clear(shop: RestClient, held: list[Listed], status: str) -> None:
    """Delete what a new one stands in for, and copies: each copy would tell everything once more."""
    kept = next((hook for hook in held if status != "disabled" and dig(hook, "status") == status), None)
    for hook in held:
        if hook is not kept:
            _delete(shop, hook)


def _delete(shop: RestClient, hook: Listed) -> None:
    answer = shop.delete(f"webhooks/{dig(hook, 'id')}")
    if answer.status not in {200, _GONE}:
        raise failed(answer)
