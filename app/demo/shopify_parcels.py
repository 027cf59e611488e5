"""The bodies of fulfillments/create and fulfillment_events/create, with the keys of Shopify's own (API 2026-10)."""

from typing import Any

from app.demo.shop import Shop
from app.demo.shopify_bodies import stamp
from app.demo.store import Order

Body = dict[str, Any]


def fulfillment_body(shop: Shop, order: Order) -> Body:
    """Build the parcel of an order that was sent off."""
    at = stamp(shop, order.sent_off_at or order.updated_at)
    number = f"CW{order.number}"
    url = f"{shop.home_url}/orders/{order.token}"
    return {
        "id": order.id + 7, "admin_graphql_api_id": f"gid://shopify/Fulfillment/{order.id + 7}", "order_id": order.id,
        "created_at": at, "updated_at": at, "status": "success", "shipment_status": None, "service": "manual",
        "name": f"#{order.number}.1", "location_id": 655441491, "origin_address": {}, "receipt": {}, "line_items": [],
        "tracking_company": "Pretend Post", "tracking_number": number, "tracking_numbers": [number],
        "tracking_url": url, "tracking_urls": [url],
    }  # fmt: skip


def fulfillment_event_body(shop: Shop, order: Order) -> Body:
    """Build the carrier's word that the parcel arrived."""
    at = stamp(shop, order.delivered_at or order.updated_at)
    return {
        "id": order.id + 8, "admin_graphql_api_id": f"gid://shopify/FulfillmentEvent/{order.id + 8}",
        "fulfillment_id": order.id + 7, "order_id": order.id, "shop_id": 548380009, "status": "delivered", "message": None,
        "happened_at": at, "created_at": at, "updated_at": at, "estimated_delivery_at": None, "city": None,
        "province": None, "country": "US", "zip": None, "address1": None, "latitude": None, "longitude": None,
    }  # fmt: skip
