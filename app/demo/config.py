"""What the pretend shops must be told to stand in for real ones."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Addresses and secrets that the two shops share with Cartwheel; URLs come without a trailing slash.

    Args:
        cartwheel_url: where webhooks go.
        shops_url: where this process is reached; WooCommerce's OAuth signature is checked against it, so the spelling
            of the host counts (127.0.0.1 is not localhost).
        woo_connection_path: path of the WooCommerce webhooks, `/webhooks/woocommerce/<connection_id>`.
        data_dir: where carts, orders and coupons are kept; None keeps them in memory.
        database_url: the database with the row `demo_clock`; None keeps the clock's offset in memory.
        announces: whether the shops introduce themselves at the start (WooCommerce's ping, Shopify's products).
    """

    cartwheel_url: str
    shops_url: str
    shopify_client_secret: str
    shopify_access_token: str
    woo_connection_path: str
    woo_webhook_secret: str
    woo_consumer_key: str
    woo_consumer_secret: str
    data_dir: Path | None = None
    database_url: str | None = None
    shopify_client_id: str = "client-id"
    admin_url: str = ""
    mailbox_url: str = ""
    announces: bool = True

    def __repr__(self) -> str:
        return f"DemoConfig(cartwheel_url={self.cartwheel_url!r}, shops_url={self.shops_url!r})"
