"""Webhook bodies with the keys of WooCommerce 10.5.0 and of our companion plugin: checkouts, orders, customers.

Source: captured deliveries of a real store; the checkout is the companion's own. Facts that shape them: local times
without an offset beside UTC ones, money as strings with two decimals, except a line's `price`, which is a number.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.demo.prices import add_up, amount, line_minor, shares
from app.demo.shop import Shop
from app.demo.store import Checkout, Customer, Item, Order

Body = dict[str, Any]
VERSION = "10.5.0"
CONSENT_TEXT = "E-mail me news and offers"
_ALLOWED = {"allow": ["GET", "POST", "PUT", "PATCH", "DELETE"]}


def checkout_body(shop: Shop, checkout: Checkout, customer: Customer | None, percent: float) -> Body:
    """Build the body of checkout.updated, as the companion plugin reads it at the time of delivery."""
    currency, totals = shop.catalogue.currency, add_up(shop.catalogue, checkout.items, percent)
    status = "completed" if checkout.completed_at else "open" if checkout.items else "emptied"
    consent = {"marketing": checkout.consent, "at": _gmt_offset(checkout.consent_at), "text": CONSENT_TEXT}
    return {
        "token": checkout.token, "status": status, "created_at_gmt": _gmt_offset(checkout.created_at),
        "updated_at_gmt": _gmt_offset(checkout.updated_at), "email": checkout.email or "",
        "customer_id": customer.id if customer else 0, "first_name": checkout.first_name,
        "locale": shop.catalogue.locale, "currency": currency,
        "subtotal": amount(totals.subtotal_minor, currency), "total": amount(totals.total_minor, currency),
        "coupons": [checkout.code] if percent else [], "items": [_item(shop, item) for item in checkout.items],
        "consent": consent, "source": "block", "recovery_url": f"{shop.home_url}/?cartwheel_cart={checkout.token}",
        "order_id": checkout.order_id,
    }  # fmt: skip


def customer_body(shop: Shop, customer: Customer) -> Body:
    """Build the body of customer.created and customer.updated: an account, for guests have none."""
    url = f"{shop.home_url}/wp-json/wc/v3/customers"
    address = _address(customer.first_name, customer.email)
    meta = [
        {"id": customer.id * 100 + n, "key": key, "value": value} for n, (key, value) in enumerate(customer.meta.items())
    ]
    return {
        "id": customer.id, **_times(shop, "created", customer.created_at),
        **_times(shop, "modified", customer.updated_at), "email": customer.email,
        "first_name": customer.first_name, "last_name": "", "role": "customer",
        "username": customer.email.partition("@")[0], "billing": address, "shipping": _without_email(address),
        "is_paying_customer": False, "avatar_url": f"{shop.config.shops_url}/static/demo/lamp-loft.svg",
        "meta_data": meta, "_links": links(url, customer.id),
    }  # fmt: skip


def order_body(shop: Shop, order: Order, customer: Customer | None) -> Body:
    """Build the body of order.created and order.updated: the order as the REST API shows it now."""
    currency = shop.catalogue.currency
    address, key = _address(order.first_name, order.email), f"wc_order_{order.token[:13]}"
    meta = [{"id": order.id * 10, "key": "is_vat_exempt", "value": "no"}]
    if order.checkout_token:
        meta.append({"id": order.id * 10 + 1, "key": "_cartwheel_checkout_token", "value": order.checkout_token})
    completed = order.updated_at if order.status == "completed" else None
    url = f"{shop.home_url}/wp-json/wc/v3/orders"
    return {
        "id": order.id, "parent_id": 0, "status": order.status, "currency": currency, "version": VERSION,
        "prices_include_tax": False, **_times(shop, "created", order.created_at),
        **_times(shop, "modified", order.updated_at), "discount_total": amount(order.discount_minor, currency),
        "discount_tax": "0.00", "shipping_total": "0.00", "shipping_tax": "0.00", "cart_tax": "0.00",
        "total": amount(order.total_minor, currency), "total_tax": "0.00",
        "customer_id": customer.id if customer else 0, "order_key": key, "billing": address,
        "shipping": _without_email(address), "payment_method": "cod", "payment_method_title": "Pretend money",
        "transaction_id": "", "customer_ip_address": "203.0.113.7", "customer_user_agent": "Mozilla/5.0",
        "created_via": "store-api", "customer_note": "", **_times(shop, "completed", completed),
        **_times(shop, "paid", order.created_at), "cart_hash": order.token, "number": str(order.number),
        "meta_data": meta, "line_items": _lines(shop, order), "tax_lines": [], "shipping_lines": [_shipping(order)],
        "fee_lines": [], "coupon_lines": _coupon_lines(order, currency), "refunds": [],
        "payment_url": f"{shop.home_url}/checkout/order-pay/{order.id}/?pay_for_order=true&key={key}",
        "is_editable": False, "needs_payment": False, "needs_processing": True, "currency_symbol": "€",
        "_links": links(url, order.id)
        | ({"customer": [{"href": f"{shop.home_url}/wp-json/wc/v3/customers/{customer.id}"}]} if customer else {})
        | {"email_templates": [{"embeddable": True, "href": f"{url}/{order.id}/actions/email_templates"}]},
    }  # fmt: skip


def links(url: str, number: int) -> Body:
    """Build the `_links` that end every REST object."""
    return {"self": [{"href": f"{url}/{number}", "targetHints": _ALLOWED}], "collection": [{"href": url}]}


def local(shop: Shop, at: datetime) -> str:
    """Spell a time on the shop's wall clock, without an offset."""
    return at.astimezone(ZoneInfo(shop.catalogue.timezone)).strftime("%Y-%m-%dT%H:%M:%S")


def gmt(at: datetime) -> str:
    """Spell a time in UTC, without an offset."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _times(shop: Shop, name: str, at: datetime | None) -> Body:
    return {f"date_{name}": local(shop, at) if at else None, f"date_{name}_gmt": gmt(at) if at else None}


def _gmt_offset(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat(timespec="seconds") if at else None


def _item(shop: Shop, item: Item) -> Body:
    product, variant = shop.catalogue.find(item.variant_id)
    return {
        "product_id": product.id, "variation_id": variant.id if variant.id != product.id else 0,
        "variation": {f"attribute_{name.lower()}": value for name, value in variant.attributes.items()},
        "quantity": item.quantity, "name": " - ".join(filter(None, (product.title, variant.title))),
        "sku": variant.sku, "price": amount(variant.price_minor, shop.catalogue.currency),
        "image": shop.picture_url(product), "permalink": f"{shop.home_url}/product/{product.slug}/",
    }  # fmt: skip


def _lines(shop: Shop, order: Order) -> list[Body]:
    offs = shares(shop.catalogue, order.items, order.percent)
    return [_line(shop, order, position, off) for position, off in enumerate(offs)]


def _line(shop: Shop, order: Order, position: int, off_minor: int) -> Body:
    item, currency = order.items[position], shop.catalogue.currency
    product, variant = shop.catalogue.find(item.variant_id)
    whole = line_minor(shop.catalogue, item)
    meta = [
        {"id": order.id * 100 + n, "key": name.lower(), "value": value, "display_key": name, "display_value": value}
        for n, (name, value) in enumerate(variant.attributes.items())
    ]
    is_variation = variant.id != product.id
    return {
        "id": order.id * 100 + position, "name": " - ".join(filter(None, (product.title, variant.title))),
        "product_id": product.id, "variation_id": variant.id if is_variation else 0, "quantity": item.quantity,
        "tax_class": "", "subtotal": amount(whole, currency), "subtotal_tax": "0.00",
        "total": amount(whole - off_minor, currency), "total_tax": "0.00", "taxes": [], "meta_data": meta,
        "sku": variant.sku, "global_unique_id": "", "price": (whole - off_minor) / item.quantity / 100,
        "image": {"id": product.id, "src": shop.picture_url(product)},
        "parent_name": product.title if is_variation else None,
    }  # fmt: skip


def _shipping(order: Order) -> Body:
    return {
        "id": order.id * 10 + 2, "method_title": "Free shipping", "method_id": "free_shipping", "instance_id": "1",
        "total": "0.00", "total_tax": "0.00", "taxes": [], "tax_status": "taxable", "meta_data": [],
    }  # fmt: skip


def _coupon_lines(order: Order, currency: str) -> list[Body]:
    if not order.code:
        return []
    told = f'[{order.id},"{order.code}","percent",{order.percent:g}]'
    facts = {"key": "coupon_info", "value": told, "display_key": "coupon_info", "display_value": told}
    return [{
        "id": order.id * 10 + 3, "code": order.code, "discount": amount(order.discount_minor, currency),
        "discount_tax": "0", "meta_data": [{"id": order.id * 10 + 4, **facts}], "discount_type": "percent",
        "nominal_amount": order.percent, "free_shipping": False,
    }]  # fmt: skip


def _address(first_name: str, email: str) -> Body:
    return {
        "first_name": first_name, "last_name": "", "company": "", "address_1": "Rua do Carmo 3", "address_2": "",
        "city": "Lisboa", "state": "", "postcode": "1200-093", "country": "PT", "email": email, "phone": "",
    }  # fmt: skip


def _without_email(address: Body) -> Body:
    return {name: value for name, value in address.items() if name != "email"}
