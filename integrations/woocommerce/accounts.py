"""Values beside an account of WooCommerce, which keeps neither consent nor tags of its own."""

from collections.abc import Sequence

from app.domain.errors import Permanent
from app.domain.ports import ShopAccess
from integrations.http import dig
from integrations.woocommerce.rest import RestClient, failed

_DONE = 200
_MISSING = 404


def set_values(access: ShopAccess, customer_id: str, fields: Sequence[dict[str, str]]) -> None:
    """Set meta values of a customer's account; setting them again changes nothing, others stay.

    It is done when the shop shows the account: a page "briefly unavailable" comes as a 200 as well.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say; Permanent also when there is no such account.
    """
    with RestClient(access) as shop:
        answer = shop.put(f"customers/{int(customer_id)}", {"meta_data": list(fields)})
    if answer.status == _MISSING:
        raise Permanent("The shop has no such customer (any more).")
    if answer.status != _DONE or str(dig(answer.body, "id")) != customer_id:
        raise failed(answer)
