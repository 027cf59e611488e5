"""Consent as Shopify keeps it, written from our side."""

from datetime import timedelta

from app.domain.errors import NotAllowed, Permanent, Transient
from app.domain.ports import ConsentWord, ShopAccess
from integrations.shopify.client import AdminClient
from integrations.shopify.errors import ShopGone, Throttled, UserErrors

_STATES = {"pending": "PENDING", "subscribed": "SUBSCRIBED", "unsubscribed": "UNSUBSCRIBED"}
_CONFIRMED = "confirmed_opt_in"


def write_consent(access: ShopAccess, word: ConsentWord) -> None:
    """Set a customer's consent. No time is sent along: Shopify refuses one that is ahead of its own clock.

    Nothing is tried twice in here: the row is the retry.

    Raises:
        TokenRefused: as the client says; the caller renews the token.
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.

    Source: Shopify Admin API 2026-10, customerEmailMarketingConsentUpdate.
    """
    with AdminClient(access, patience=timedelta(0)) as client:
        try:
            client.run("ConsentUpdate", {"input": consent_input(word)})
        except UserErrors as exc:
            codes = ", ".join(code or "no code" for code in exc.codes[:5])
            raise Permanent(f"Shopify did not accept the consent ({codes}).") from None
        except Throttled as exc:
            raise Transient(str(exc), exc.retry_after) from None
        except ShopGone as exc:
            raise NotAllowed(str(exc)) from None


def consent_input(word: ConsentWord) -> dict[str, object]:
    """Return the input of the mutation. Shopify takes `PENDING` only with the level of a double opt-in."""
    level = "CONFIRMED_OPT_IN" if word.level == _CONFIRMED or word.state == "pending" else "SINGLE_OPT_IN"
    return {
        "customerId": f"gid://shopify/Customer/{word.customer_id}",
        "emailMarketingConsent": {"marketingState": _STATES[word.state], "marketingOptInLevel": level},
    }
