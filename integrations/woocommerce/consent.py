"""Consent on WooCommerce, which keeps none itself: three fields beside the customer, for the shop and our plugin to read."""

from app.domain.errors import Permanent
from app.domain.ports import ConsentWord, ShopAccess
from integrations.woocommerce.rest import RestClient, failed, naive_utc

PREFIX = "_cartwheel_marketing_"
_DONE = 200
_MISSING = 404


def write_consent(access: ShopAccess, word: ConsentWord) -> None:
    """Set the fields of a customer's account; setting them again changes nothing.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    with RestClient(access) as shop:
        answer = shop.put(f"customers/{int(word.customer_id)}", {"meta_data": consent_fields(word)})
    if answer.status == _MISSING:
        raise Permanent("The shop has no such customer (any more).")
    if answer.status != _DONE:
        raise failed(answer)


def consent_fields(word: ConsentWord) -> list[dict[str, str]]:
    """Return the fields: the state, the level, and when it was said (UTC)."""
    values = {"consent": word.state, "level": word.level or "", "at": naive_utc(word.said_at)}
    return [{"key": f"{PREFIX}{name}", "value": value} for name, value in values.items()]
