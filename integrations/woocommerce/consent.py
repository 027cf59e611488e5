"""Consent on WooCommerce, which keeps none itself: three fields beside the customer, for the shop and our plugin to read."""

from app.domain.ports import ConsentWord, ShopAccess
from integrations.woocommerce.accounts import set_values
from integrations.woocommerce.rest import naive_utc

PREFIX = "_cartwheel_marketing_"


def write_consent(access: ShopAccess, word: ConsentWord) -> None:
    """Set the fields of a customer's account; setting them again changes nothing.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    set_values(access, word.customer_id, consent_fields(word))


def consent_fields(word: ConsentWord) -> list[dict[str, str]]:
    """Return the fields: the state, the level, and when it was said (UTC)."""
    values = {"consent": word.state, "level": word.level or "", "at": naive_utc(word.said_at)}
    return [{"key": f"{PREFIX}{name}", "value": value} for name, value in values.items()]
