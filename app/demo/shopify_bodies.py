"""Webhook bodies with the keys of Shopify's own (API 2026-10): checkouts, customers, consent, products, the shop.

Source: Shopify's webhook reference. Facts that shape them: no `id` in a checkout, no tags and no consent in a customer.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.demo.catalog import Product, Variant
from app.demo.prices import add_up, amount, line_minor
from app.demo.shop import Shop
from app.demo.store import Checkout, Customer, Item

Body = dict[str, Any]
SHOP_ID = 68214059331
_WEIGHED = ("measured_type", "quantity_value", "quantity_unit", "reference_value", "reference_unit")


def stamp(shop: Shop, at: datetime | None) -> str | None:
    """Spell a time as Shopify does: the shop's own offset, whole seconds."""
    return at.astimezone(ZoneInfo(shop.catalogue.timezone)).isoformat(timespec="seconds") if at else None


def checkout_body(shop: Shop, checkout: Checkout, customer: Customer, percent: float) -> Body:
    """Build the body of checkouts/create and checkouts/update."""
    currency, totals = shop.catalogue.currency, add_up(shop.catalogue, checkout.items, percent)
    off = amount(totals.discount_minor, currency)
    recovery = f"{shop.home_url}/checkouts/ac/{checkout.cart_token}/recover?key={checkout.secret}&locale=en-US"
    weight = sum(shop.catalogue.find(item.variant_id)[0].grams * item.quantity for item in checkout.items)
    codes = [{"code": checkout.code, "amount": off, "type": "percentage"}] if percent else []
    return {
        "token": checkout.token, "cart_token": checkout.cart_token, "email": checkout.email, "gateway": None,
        "buyer_accepts_marketing": checkout.consent, "created_at": stamp(shop, checkout.created_at),
        "updated_at": stamp(shop, checkout.updated_at), "landing_site": checkout.landing_site, "note": None,
        "note_attributes": [], "referring_site": "", "shipping_lines": [], "taxes_included": False,
        "total_weight": weight, "currency": currency, "completed_at": stamp(shop, checkout.completed_at),
        "closed_at": None, "user_id": None, "location_id": None, "source_identifier": None, "source_url": None,
        "device_id": None, "phone": None, "customer_locale": shop.catalogue.locale,
        "line_items": [_checkout_line(shop, item) for item in checkout.items], "name": f"#{checkout.number}",
        "source": None, "abandoned_checkout_url": recovery, "discount_codes": codes, "tax_lines": [],
        "source_name": "web", "presentment_currency": currency, "buyer_accepts_sms_marketing": False,
        "sms_marketing_phone": None, "total_discounts": off,
        "total_line_items_price": amount(totals.subtotal_minor, currency),
        "total_price": amount(totals.total_minor, currency), "total_tax": "0.00",
        "subtotal_price": amount(totals.total_minor, currency), "total_duties": None, "reservation_token": None,
        "customer": customer_body(shop, customer),
    }  # fmt: skip


def checkout_deleted_body(shop: Shop, checkout: Checkout) -> Body:
    """Build the body of checkouts/delete, which has a number and a cart token but, strangely, no token."""
    currency, totals = shop.catalogue.currency, add_up(shop.catalogue, checkout.items, 0.0)
    total = amount(totals.total_minor, currency)
    return {
        "id": checkout.number, "presentment_currency": currency, "buyer_accepts_sms_marketing": False,
        "sms_marketing_phone": None, "total_discounts": "0.00", "total_line_items_price": total,
        "total_price": total, "total_tax": "0.00", "subtotal_price": total, "cart_token": checkout.cart_token,
        "total_duties": None, "reservation_token": None,
    }  # fmt: skip


def customer_body(shop: Shop, customer: Customer, *, listed: bool = False) -> Body:
    """Build a customer, as inside orders and checkouts; `listed` adds `addresses`, as in customers/create."""
    address = _address(customer)
    body: Body = {
        "id": customer.id, "created_at": stamp(shop, customer.created_at),
        "updated_at": stamp(shop, customer.updated_at), "first_name": customer.first_name, "last_name": None,
        "state": "disabled", "note": None, "verified_email": True, "multipass_identifier": None, "tax_exempt": False,
        "email": customer.email, "phone": None, "currency": shop.catalogue.currency, "tax_exemptions": [],
        "admin_graphql_api_id": f"gid://shopify/Customer/{customer.id}", "default_address": address,
    }  # fmt: skip
    return body | {"addresses": [address]} if listed else body


def consent_body(shop: Shop, customer: Customer) -> Body:
    """Build the body of customers_email_marketing_consent/update."""
    return {
        "customer_id": customer.id,
        "email_address": customer.email,
        "email_marketing_consent": {
            "state": customer.consent_state,
            "opt_in_level": "single_opt_in",
            "consent_updated_at": stamp(shop, customer.consent_at),
        },
    }


def product_body(shop: Shop, product: Product, at: datetime) -> Body:
    """Build the body of products/create and products/update."""
    when, gid = stamp(shop, at), f"gid://shopify/Product/{product.id}"
    media: Body = {
        "id": product.id + 700, "position": 1, "alt": product.title, "media_content_type": "IMAGE",
        "preview_image": {"width": 400, "height": 400, "src": shop.picture_url(product), "status": "READY"},
        "admin_graphql_api_id": f"gid://shopify/MediaImage/{product.id + 700}",
    }  # fmt: skip
    picture: Body = {
        "id": product.id + 500, "alt": product.title, "position": 1, "product_id": product.id, "created_at": when,
        "updated_at": when, "admin_graphql_api_id": f"gid://shopify/ProductImage/{product.id + 500}", "width": 400,
        "height": 400, "src": shop.picture_url(product), "variant_ids": [],
    }  # fmt: skip
    gids = [{"admin_graphql_api_id": _variant_gid(v), "updated_at": when} for v in product.variants]
    return {
        "admin_graphql_api_id": gid, "body_html": f"<p>{product.text}</p>", "created_at": when, "handle": product.slug,
        "id": product.id, "product_type": product.kind, "published_at": when, "template_suffix": None,
        "title": product.title, "updated_at": when, "vendor": shop.catalogue.name, "status": "active",
        "published_scope": "global", "tags": product.kind.lower(),
        "variants": [_variant(product, v, n, when) for n, v in enumerate(product.variants, 1)],
        "options": _options(product), "images": [picture], "image": picture, "media": [media],
        "variant_gids": gids, "has_variants_that_requires_components": False, "category": None,
    }  # fmt: skip


def _checkout_line(shop: Shop, item: Item) -> Body:
    product, variant = shop.catalogue.find(item.variant_id)
    each = amount(variant.price_minor, shop.catalogue.currency)
    return {
        "applied_discounts": [], "discount_allocations": [], "key": f"{variant.id}:{variant.id * 7919:016x}"[:31],
        "destination_location_id": None, "fulfillment_service": "manual", "gift_card": False, "grams": product.grams,
        "origin_location_id": None, "presentment_title": product.title,
        "presentment_variant_title": variant.title or None, "product_id": product.id, "properties": None,
        "quantity": item.quantity, "requires_shipping": True, "sku": variant.sku, "tax_lines": [], "taxable": True,
        "title": product.title, "variant_id": variant.id, "variant_title": variant.title or None,
        "variant_price": each, "vendor": shop.catalogue.name, "user_id": None,
        "unit_price_measurement": dict.fromkeys(_WEIGHED), "rank": None, "compare_at_price": None,
        "line_price": amount(line_minor(shop.catalogue, item), shop.catalogue.currency), "price": each,
    }  # fmt: skip


def _address(customer: Customer) -> Body:
    return {
        "id": customer.id + 1000, "customer_id": customer.id, "first_name": customer.first_name, "last_name": None,
        "company": None, "address1": None, "address2": None, "city": None, "province": "Oregon",
        "country": "United States", "zip": None, "phone": None, "name": customer.first_name, "province_code": "OR",
        "country_code": "US", "country_name": "United States", "default": True,
    }  # fmt: skip


def _variant(product: Product, variant: Variant, position: int, when: str | None) -> Body:
    options = [*variant.attributes.values(), None, None, None]
    return {
        "admin_graphql_api_id": _variant_gid(variant), "barcode": None, "compare_at_price": None, "created_at": when,
        "id": variant.id, "inventory_policy": "deny", "position": position, "price": amount(variant.price_minor, "USD"),
        "product_id": product.id, "sku": variant.sku, "taxable": True, "title": variant.title or "Default Title",
        "updated_at": when, "option1": options[0] or "Default Title", "option2": options[1], "option3": options[2],
        "image_id": None, "inventory_item_id": variant.id + 1000, "inventory_quantity": 40,
        "old_inventory_quantity": 40,
    }  # fmt: skip


def _options(product: Product) -> list[Body]:
    names = list(product.variants[0].attributes) or ["Title"]
    return [
        {
            "name": name,
            "id": product.id + 900 + n,
            "product_id": product.id,
            "position": n,
            "values": [variant.attributes.get(name, "Default Title") for variant in product.variants],
        }
        for n, name in enumerate(names, 1)
    ]


def _variant_gid(variant: Variant) -> str:
    return f"gid://shopify/ProductVariant/{variant.id}"


def shop_body(shop: Shop) -> Body:
    """Build the body of app/uninstalled, which is the shop."""
    now, catalogue = shop.clock.now(), shop.catalogue
    return {
        "id": SHOP_ID, "name": catalogue.name, "email": "owner@tea-and-tin.example", "domain": catalogue.domain,
        "country": "US", "address1": "18 Alder Street", "zip": "97205", "city": "Portland", "primary_locale": "en",
        "created_at": stamp(shop, now), "updated_at": stamp(shop, now), "currency": catalogue.currency,
        "customer_email": "hello@tea-and-tin.example", "iana_timezone": catalogue.timezone, "plan_name": "basic",
        "myshopify_domain": catalogue.domain,
    }  # fmt: skip
