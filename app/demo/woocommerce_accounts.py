"""Accounts of the pretend WooCommerce, as its REST API shows and changes them; guests have none."""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from app.demo.store import Customer
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_bodies import customer_body
from app.demo.woocommerce_desk import Desk, RestError, answer, in_order, listed

_CANNOT_LIST = ("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
_CANNOT_EDIT = ("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource.")


def account_routes(shop: WooShop, desk: Desk) -> Blueprint:
    """Make the endpoints of customers."""
    routes = Blueprint("woocommerce_accounts", __name__, url_prefix="/woocommerce/wp-json/wc/v3/customers")

    @routes.get("")
    def customers() -> Response:
        desk.check(*_CANNOT_LIST)
        email = request.args.get("email")
        found = [c for c in shop.store.all(Customer) if email is None or c.email == email.casefold()]
        return listed([customer_body(shop, customer) for customer in in_order(sorted(found, key=lambda c: c.id))])

    @routes.get("/<int:number>")
    def customer(number: int) -> Response:
        desk.check(*_CANNOT_LIST)
        return answer(customer_body(shop, _found(shop, number)))

    @routes.put("/<int:number>")
    def change(number: int) -> Response:
        """Set what the body names; what it does not name stays, other meta values too."""
        desk.check(*_CANNOT_EDIT)
        changed = shop.change_account(_found(shop, number), _meta(request.get_json(force=True, silent=True)))
        return desk.lost() or answer(customer_body(shop, changed))

    return routes


def _found(shop: WooShop, number: int) -> Customer:
    found = next((c for c in shop.store.all(Customer) if c.id == number), None)
    if found is None:
        raise RestError(404, "woocommerce_rest_invalid_id", "Invalid resource ID.")
    return found


def _meta(wanted: object) -> Mapping[str, str]:
    if not isinstance(wanted, dict):
        raise RestError(400, "rest_invalid_json", "Invalid JSON body passed.")
    entries = wanted.get("meta_data", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) and e.keys() >= {"key", "value"} for e in entries):
        raise RestError(400, "rest_invalid_param", "Invalid parameter(s): meta_data")
    return {str(entry["key"]): str(entry["value"]) for entry in entries}
