"""How Shopify's pages, shoppers' pages and tokens are trusted: everything the doors need, from one place.

Standard library only until a session token is read or a token is asked for: the web process imports this.
"""

from app.domain.ports import Tokens
from integrations.shopify.domains import is_shop_domain
from integrations.shopify.errors import AppRefused, BadToken, StaleSessionToken, TokenDead, TokenRefused
from integrations.shopify.queries import sanitize_reload, verify_proxy, verify_query
from integrations.shopify.session_tokens import Claims, read_session_token
from integrations.shopify.tokens import authorize_url, exchange_code, exchange_token, refresh_token

__all__ = [
    "AppRefused",
    "BadToken",
    "Claims",
    "StaleSessionToken",
    "TokenDead",
    "TokenRefused",
    "Tokens",
    "authorize_url",
    "exchange_code",
    "exchange_token",
    "is_shop_domain",
    "read_session_token",
    "refresh_token",
    "sanitize_reload",
    "verify_proxy",
    "verify_query",
]
