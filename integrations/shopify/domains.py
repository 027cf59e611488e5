"""What a shop's permanent domain looks like, in one place. Standard library only: the web process imports this."""

import re
from typing import Final

# One DNS label of at most 63 characters, then Shopify's own suffix.
# ShopifyAPI's `sanitize_shop_domain` is not used: it completes "x" to "x.myshopify.com" and takes a scheme off.
SHOP_DOMAIN: Final = r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com"
_SHOP_DOMAIN = re.compile(SHOP_DOMAIN)


def is_shop_domain(value: str) -> bool:
    """Say whether this is exactly `<name>.myshopify.com`, in lower case."""
    return _SHOP_DOMAIN.fullmatch(value) is not None
