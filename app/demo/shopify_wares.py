"""What the pretend Shopify sells and whom it tells, as its Admin API lists it."""

from datetime import UTC, datetime

from app.demo.catalog import Product, Variant
from app.demo.prices import amount
from app.demo.shopify import API_VERSION, ShopifyShop
from app.demo.shopify_words import Answer, Arguments, connection, count, each_key, found, gid, money, spell, whole

_OPENED_AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # when this shop was filled, once and for all
_FACTS = {"updated_at": _OPENED_AT, "created_at": _OPENED_AT}
_IN_STOCK = 40
# What shopify.app.toml subscribes to; nothing happens here that some of them are about.
_SUBSCRIBED = (
    "APP_UNINSTALLED", "APP_SCOPES_UPDATE", "SHOP_UPDATE", "CHECKOUTS_CREATE", "CHECKOUTS_UPDATE", "CHECKOUTS_DELETE",
    "ORDERS_CREATE", "ORDERS_PAID", "ORDERS_UPDATED", "ORDERS_FULFILLED", "ORDERS_CANCELLED", "FULFILLMENTS_CREATE",
    "FULFILLMENTS_UPDATE", "FULFILLMENT_EVENTS_CREATE", "REFUNDS_CREATE", "CUSTOMERS_CREATE", "CUSTOMERS_UPDATE",
    "CUSTOMERS_DELETE", "CUSTOMERS_PURCHASING_SUMMARY", "CUSTOMERS_EMAIL_MARKETING_CONSENT_UPDATE",
    "CUSTOMER_TAGS_ADDED", "CUSTOMER_TAGS_REMOVED", "PRODUCTS_CREATE", "PRODUCTS_UPDATE", "PRODUCTS_DELETE",
    "BULK_OPERATIONS_FINISH",
)  # fmt: skip


def products(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `products`, by `updated_at` and `created_at`."""
    rows = [(each_key(_OPENED_AT, product.id), _product(shop, product)) for product in shop.catalogue.products]
    return connection(rows if found(arguments.get("query"), _FACTS) else [], arguments)


def count_products(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `productsCount`."""
    return count(len(shop.catalogue.products) if found(arguments.get("query"), _FACTS) else 0)


def webhook_subscriptions(shop: ShopifyShop, arguments: Arguments) -> Answer:
    """Answer `webhookSubscriptions`, which lists those of the toml too."""
    return connection([(topic, _subscription(shop, topic, number)) for number, topic in enumerate(_SUBSCRIBED)], arguments)


def _subscription(shop: ShopifyShop, topic: str, number: int) -> Answer:
    at = spell(_OPENED_AT)
    return {
        "id": gid("WebhookSubscription", 1_500_000_000_000 + number), "topic": topic, "name": "cartwheel",
        "uri": f"{shop.config.cartwheel_url}/webhooks/shopify", "filter": None, "format": "JSON",
        "includeFields": [], "createdAt": at, "updatedAt": at, "apiVersion": {"handle": API_VERSION},
    }  # fmt: skip


def _product(shop: ShopifyShop, product: Product) -> Answer:
    prices = [variant.price_minor for variant in product.variants]
    picture = {"url": shop.picture_url(product), "altText": product.title, "width": 400, "height": 400}
    return {
        "__typename": "Product", "id": gid("Product", product.id), "title": product.title, "handle": product.slug,
        "status": "ACTIVE", "vendor": shop.catalogue.name, "productType": product.kind, "tags": [product.kind.lower()],
        "onlineStoreUrl": f"{shop.home_url}/products/{product.slug}", "publishedAt": spell(_OPENED_AT),
        "totalInventory": _IN_STOCK * len(prices),
        "updatedAt": spell(_OPENED_AT), "featuredMedia": {"__typename": "MediaImage", "preview": {"image": picture}},
        "priceRangeV2": {
            "minVariantPrice": money(min(prices), shop.catalogue.currency),
            "maxVariantPrice": money(max(prices), shop.catalogue.currency),
        },
        "variants": whole([_variant(shop, variant) for variant in product.variants]),
    }  # fmt: skip


def _variant(shop: ShopifyShop, variant: Variant) -> Answer:
    return {
        "id": gid("ProductVariant", variant.id), "title": variant.title or "Default Title", "sku": variant.sku,
        "price": amount(variant.price_minor, shop.catalogue.currency), "availableForSale": True,
        "inventoryQuantity": _IN_STOCK,
    }  # fmt: skip
