"""Shopify's products, the shop itself and our app's place in it, in our words."""

from collections.abc import Sequence
from datetime import datetime

from app.domain.errors import BadPayload
from app.domain.events import AppUninstalled, Event, ProductDeleted, ProductUpdated, ScopesChanged, ShopUpdated
from app.domain.money import to_minor
from integrations.payloads import parse
from integrations.shopify.account_bodies import Image, Product, Scopes, Shop, Variant
from integrations.shopify.bodies import Identified

# A product's prices come without a currency. They are told in hundredths, as for a currency that is not known; who
# knows the shop's currency (ISO 4217 gives the yen no decimals) scales them.
_UNKNOWN_CURRENCY = ""


def read_product(payload: object, _at: datetime) -> list[Event]:
    """Translate products/create and products/update; the price is in hundredths of the shop's currency."""
    body = parse(Product, payload)
    prices = [to_minor(variant.price, _UNKNOWN_CURRENCY) for variant in body.variants if variant.price]
    is_published = body.status in (None, "active") and body.published_at is not None
    return [
        ProductUpdated(
            object_id=body.id,
            happened_at=body.updated_at,
            title=body.title or "",
            image_url=(body.image and body.image.src) or next((image.src for image in body.images if image.src), None),
            price_hundredths=min(prices, default=None),
            is_available=is_published and (not body.variants or any(map(_is_in_stock, body.variants))),
            variant_image_urls=_variant_images(body.images, body.variants),
        )
    ]


def read_deleted_product(payload: object, at: datetime) -> list[Event]:
    """Translate products/delete."""
    return [ProductDeleted(object_id=parse(Identified, payload).id, happened_at=at)]


def read_shop(payload: object, at: datetime) -> list[Event]:
    """Translate shop/update; the address is the one for customers, where the shop has one, else the owner's."""
    body = parse(Shop, payload)
    return [
        ShopUpdated(
            object_id=_domain(body),
            happened_at=body.updated_at or at,
            name=body.name,
            email=body.customer_email or body.email,
            currency=body.currency,
            timezone=body.iana_timezone,
            locale=body.primary_locale,
        )
    ]


def read_uninstalled(payload: object, at: datetime) -> list[Event]:
    """Translate app/uninstalled, whose body is the shop: its `updated_at` is not when the app went."""
    return [AppUninstalled(object_id=_domain(parse(Shop, payload)), happened_at=at)]


def read_scopes(payload: object, at: datetime) -> list[Event]:
    """Translate app/scopes_update. The body knows the shop by number only, so `object_id` is that, not its domain."""
    body = parse(Scopes, payload)
    scopes = tuple(sorted(body.current))
    return [ScopesChanged(object_id=body.shop_id, happened_at=body.updated_at or at, scopes=scopes)]


def _domain(shop: Shop) -> str:
    object_id = shop.myshopify_domain or shop.id
    if object_id is None:
        raise BadPayload("The body names no shop.")
    return object_id.lower()


def _is_in_stock(variant: Variant) -> bool:
    is_counted = variant.inventory_management is not None and variant.inventory_quantity is not None
    return not is_counted or variant.inventory_policy == "continue" or (variant.inventory_quantity or 0) > 0


def _variant_images(images: Sequence[Image], variants: Sequence[Variant]) -> dict[str, str]:
    """Return the picture of each variant that has one of its own, whichever side names the other."""
    by_id = {image.id: image.src for image in images if image.id and image.src}
    found = {variant_id: image.src for image in images if image.src for variant_id in image.variant_ids}
    return found | {v.id: by_id[v.image_id] for v in variants if v.image_id in by_id}
