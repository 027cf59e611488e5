"""The body of orders/create and orders/paid, with the keys of Shopify's own (API 2026-10)."""

from typing import Any

from app.demo.prices import add_up, amount, shares
from app.demo.shop import Shop
from app.demo.shopify_bodies import customer_body, stamp
from app.demo.shopify_parcels import fulfillment_body
from app.demo.store import Customer, Order

Body = dict[str, Any]
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"


def order_body(shop: Shop, order: Order, customer: Customer) -> Body:
    """Build a paid order."""
    return _names(shop, order) | _money(shop, order) | _people(shop, order, customer) | _contents(shop, order)


def _names(shop: Shop, order: Order) -> Body:
    created = stamp(shop, order.created_at)
    parcels = [fulfillment_body(shop, order)] if order.sent_off_at else []
    return {
        "id": order.id, "admin_graphql_api_id": f"gid://shopify/Order/{order.id}", "app_id": 580111,
        "cancel_reason": None, "cancelled_at": None, "cart_token": order.cart_token,
        "checkout_token": order.checkout_token, "closed_at": None, "confirmation_number": order.token[:9].upper(),
        "confirmed": True, "created_at": created, "device_id": None, "duties_included": False,
        "estimated_taxes": False, "financial_status": "paid", "fulfillment_status": "fulfilled" if parcels else None,
        "landing_site": order.landing_site, "landing_site_ref": None, "location_id": None,
        "merchant_business_entity_id": "NjgyMTQwNTkzMzE", "merchant_of_record_app_id": None,
        "name": f"#{order.number}", "note": None, "note_attributes": [], "number": order.number - 1000,
        "order_number": order.number, "payment_gateway_names": ["shopify_payments"],
        "order_status_url": f"{shop.home_url}/orders/{order.token}", "po_number": None, "processed_at": created,
        "reference": None, "referring_site": "", "source_identifier": None, "source_name": "web", "source_url": None,
        "tags": "", "tax_exempt": False, "tax_lines": [], "taxes_included": False, "test": False,
        "token": order.token, "updated_at": stamp(shop, order.updated_at), "user_id": None,
        "payment_terms": None, "returns": [], "line_item_groups": [], "refunds": [], "fulfillments": parcels,
    }  # fmt: skip


def _money(shop: Shop, order: Order) -> Body:
    currency, totals = shop.catalogue.currency, add_up(shop.catalogue, order.items, order.percent)
    subtotal = amount(totals.total_minor, currency)
    goods, off = amount(totals.subtotal_minor, currency), amount(totals.discount_minor, currency)
    doubled = {
        "current_subtotal_price": subtotal, "current_total_discounts": off, "current_total_price": subtotal,
        "current_total_tax": "0.00", "subtotal_price": subtotal, "total_discounts": off,
        "total_line_items_price": goods, "total_price": subtotal, "total_tax": "0.00",
    }  # fmt: skip
    sets = {f"{name}_set": _money_set(value, currency) for name, value in doubled.items()}
    zero = ("current_shipping_price_set", "total_shipping_price_set", "total_cash_rounding_payment_adjustment_set",
            "total_cash_rounding_refund_adjustment_set")  # fmt: skip
    none = ("current_total_additional_fees_set", "current_total_duties_set", "original_total_additional_fees_set",
            "original_total_duties_set")  # fmt: skip
    weight = sum(shop.catalogue.find(item.variant_id)[0].grams * item.quantity for item in order.items)
    return {
        **doubled, **sets, **{name: _money_set("0.00", currency) for name in zero}, **dict.fromkeys(none),
        "currency": currency, "presentment_currency": currency, "total_outstanding": "0.00",
        "total_tip_received": "0.00", "total_weight": weight,
    }  # fmt: skip


def _people(shop: Shop, order: Order, customer: Customer) -> Body:
    address = {
        "first_name": order.first_name, "address1": "12 Kettle Street", "phone": None, "city": "Portland",
        "zip": "97209", "province": "Oregon", "country": "United States", "last_name": None, "address2": None,
        "company": None, "latitude": None, "longitude": None, "name": order.first_name, "country_code": "US",
        "province_code": "OR",
    }  # fmt: skip
    return {
        "browser_ip": None, "buyer_accepts_marketing": order.consent, "contact_email": order.email,
        "client_details": {"accept_language": "en-US", "browser_height": None, "browser_ip": "203.0.113.24",
                           "browser_width": None, "session_hash": None, "user_agent": _AGENT},
        "customer_locale": shop.catalogue.locale, "email": order.email, "phone": None,
        "billing_address": address, "shipping_address": address, "customer": customer_body(shop, customer),
    }  # fmt: skip


def _contents(shop: Shop, order: Order) -> Body:
    used = {"code": order.code, "amount": amount(order.discount_minor, shop.catalogue.currency), "type": "percentage"}
    applied = {
        "target_type": "line_item", "type": "discount_code", "value": str(order.percent), "value_type": "percentage",
        "allocation_method": "across", "target_selection": "all", "code": order.code,
    }  # fmt: skip
    offs = shares(shop.catalogue, order.items, order.percent)
    free = _money_set("0.00", shop.catalogue.currency)
    shipping: Body = {
        "id": order.id + 1, "carrier_identifier": None, "code": "Standard", "current_discounted_price_set": free,
        "discounted_price": "0.00", "discounted_price_set": free, "is_removed": False, "phone": None, "price": "0.00",
        "price_set": free, "requested_fulfillment_service_id": None, "source": "shopify", "title": "Standard",
        "tax_lines": [], "discount_allocations": [],
    }  # fmt: skip
    return {
        "discount_codes": [used] if order.code else [],
        "discount_applications": [applied] if order.code else [],
        "line_items": [_line(shop, order, n, off) for n, off in enumerate(offs)],
        "shipping_lines": [shipping],
    }


def _line(shop: Shop, order: Order, position: int, off_minor: int) -> Body:
    item, currency = order.items[position], shop.catalogue.currency
    product, variant = shop.catalogue.find(item.variant_id)
    each = amount(variant.price_minor, currency)
    line_id = order.id + 100 + position
    off = amount(off_minor, currency)
    share = {"amount": off, "amount_set": _money_set(off, currency), "discount_application_index": 0}
    return {
        "id": line_id, "admin_graphql_api_id": f"gid://shopify/LineItem/{line_id}", "attributed_staffs": [],
        "current_quantity": item.quantity, "fulfillable_quantity": item.quantity, "fulfillment_service": "manual",
        "fulfillment_status": None, "gift_card": False, "grams": product.grams,
        "name": " - ".join(filter(None, (product.title, variant.title))), "price": each,
        "price_set": _money_set(each, currency), "product_exists": True, "product_id": product.id, "properties": [],
        "quantity": item.quantity, "requires_shipping": True, "sales_line_item_group_id": None, "sku": variant.sku,
        "taxable": True, "title": product.title, "total_discount": "0.00",
        "total_discount_set": _money_set("0.00", currency), "variant_id": variant.id,
        "variant_inventory_management": "shopify", "variant_title": variant.title or None,
        "vendor": shop.catalogue.name, "tax_lines": [], "duties": [],
        "discount_allocations": [share] if order.code else [],
    }  # fmt: skip


def _money_set(value: str, currency: str) -> Body:
    money = {"amount": value, "currency_code": currency}
    return {"shop_money": money, "presentment_money": money}
