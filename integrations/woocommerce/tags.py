"""Tags of a WooCommerce customer: it knows none, so each is a meta value of the account, "yes" or empty.

A shop's filters and mailing plugins can read it: `cartwheel_tag_vip`.
"""

import re

from app.domain.ports import ShopAccess
from integrations.woocommerce.accounts import set_values


def tag_customer(access: ShopAccess, customer_id: str, tag: str, *, is_given: bool) -> None:
    """Give a customer a tag, or take it away; again and again changes nothing.

    Raises:
        Transient, Ambiguous, Permanent, NotAllowed: as their names say; Permanent also when there is no such account.
    """
    key = f"cartwheel_tag_{re.sub(r'[^a-z0-9]+', '_', tag.lower()).strip('_')}"
    set_values(access, customer_id, [{"key": key, "value": "yes" if is_given else ""}])
