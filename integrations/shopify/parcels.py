"""Shopify's fulfilments, which we call shipments."""

from datetime import datetime

from app.domain.errors import BadPayload
from app.domain.events import Event, ShipmentState, ShipmentUpdated
from integrations.payloads import parse
from integrations.shopify.bodies import Fulfilment, FulfilmentEvent

# What the carrier says; anything new counts as on its way. A label exists only for a parcel that Shopify already calls
# fulfilled, so it must not take the parcel back to pending.
_CARRIER_STATES = {
    "out_for_delivery": ShipmentState.OUT_FOR_DELIVERY,
    "attempted_delivery": ShipmentState.OUT_FOR_DELIVERY,
    "ready_for_pickup": ShipmentState.OUT_FOR_DELIVERY,
    "delivered": ShipmentState.DELIVERED,
    "failure": ShipmentState.FAILED,
}
# What the shop says; `success` is handed over. These outrank the carrier, who does not learn of a cancellation.
_ENDED_STATES = {
    "cancelled": ShipmentState.CANCELLED,
    "error": ShipmentState.FAILED,
    "failure": ShipmentState.FAILED,
}


def read_fulfilment(payload: object, _at: datetime) -> list[Event]:
    """Translate fulfillments/create and fulfillments/update."""
    return [shipment(parse(Fulfilment, payload), None)]


def read_fulfilment_event(payload: object, at: datetime) -> list[Event]:
    """Translate fulfillment_events/create: it has no tracking number, which says nothing about the parcel's."""
    body = parse(FulfilmentEvent, payload)
    state = _CARRIER_STATES.get(body.status or "", ShipmentState.SHIPPED)
    when = body.happened_at or at
    return [ShipmentUpdated(object_id=body.fulfillment_id, happened_at=when, order_id=body.order_id, state=state)]


def shipment(parcel: Fulfilment, order_id: str | None) -> ShipmentUpdated:
    """Translate a fulfilment; `order_id` is the order that it was found in, if it was.

    Raises:
        BadPayload: it names no order.
    """
    order_id = parcel.order_id or order_id
    if order_id is None:
        raise BadPayload("The fulfilment names no order.")
    return ShipmentUpdated(
        object_id=parcel.id,
        happened_at=parcel.updated_at,
        order_id=order_id,
        state=_parcel_state(parcel),
        company=parcel.tracking_company,
        tracking_number=parcel.tracking_number or next(filter(None, parcel.tracking_numbers), None),
        tracking_url=parcel.tracking_url or next(filter(None, parcel.tracking_urls), None),
    )


def _parcel_state(parcel: Fulfilment) -> ShipmentState:
    if ended := _ENDED_STATES.get(parcel.status or ""):
        return ended
    if parcel.shipment_status:
        return _CARRIER_STATES.get(parcel.shipment_status, ShipmentState.SHIPPED)
    return ShipmentState.SHIPPED if parcel.status == "success" else ShipmentState.PENDING
