"""Tags of a Shopify customer, given and taken away; a tag that is there already, or gone, is as good."""

from datetime import timedelta

from app.domain.errors import NotAllowed, Permanent, Transient
from app.domain.ports import ShopAccess
from integrations.shopify.client import AdminClient
from integrations.shopify.errors import ShopGone, Throttled, TokenRefused, UserErrors


def tag_customer(access: ShopAccess, customer_id: str, tag: str, *, is_given: bool) -> None:
    """Give a customer a tag, or take it away; again and again changes nothing.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say.
    """
    variables = {"id": f"gid://shopify/Customer/{customer_id}", "tags": [tag]}
    with AdminClient(access, patience=timedelta(0)) as client:
        try:
            client.run("TagsAdd" if is_given else "TagsRemove", variables)
        except UserErrors:
            raise Permanent("Shopify did not accept the tag, or has no such customer any more.") from None
        except Throttled as exc:
            raise Transient(str(exc), exc.retry_after) from None
        except TokenRefused:
            raise
        except ShopGone as exc:
            raise NotAllowed(str(exc)) from None
