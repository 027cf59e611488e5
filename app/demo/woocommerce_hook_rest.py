"""The pretend WooCommerce's webhooks over REST: listed, made and deleted; a new one pings its address."""

from typing import Any

from flask import Blueprint, Response, request

from app.demo.webhook import WOO_MANNERS, Job
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_bodies import links
from app.demo.woocommerce_desk import Desk, RestError, answer, listed
from app.demo.woocommerce_hooks import Hook

_CORE = {f"{resource}.{event}" for resource in ("coupon", "customer", "order", "product")
         for event in ("created", "updated", "deleted", "restored")}  # fmt: skip
_COMPANION = {"checkout.created", "checkout.updated", "checkout.deleted", "shopper.deleted"}


def hook_routes(shop: WooShop, desk: Desk) -> Blueprint:
    """Make the endpoints under /wp-json/wc/v3/webhooks."""
    routes = Blueprint("woocommerce_webhooks", __name__, url_prefix="/woocommerce/wp-json/wc/v3/webhooks")

    @routes.get("")
    def list_all() -> Response:
        desk.check("woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        status = request.args.get("status", "all")
        found = [_body(shop, hook) for hook in shop.hooks.values() if status in {"all", hook.status}]
        return listed(found)

    @routes.post("")
    def make() -> Response:
        desk.check("woocommerce_rest_cannot_create", "Sorry, you are not allowed to create resources.")
        wanted = request.get_json(force=True, silent=True) or {}
        topic = str(wanted.get("topic"))
        if topic not in (_CORE | _COMPANION if shop.has_companion else _CORE):
            raise RestError(400, "woocommerce_rest_shop_webhook_invalid_topic", "Webhook topic must be valid.")
        hook = shop.add_hook(topic, str(wanted.get("delivery_url")), str(wanted.get("secret")))
        shop.sender.submit(Job(build=hook.ping, manners=WOO_MANNERS))
        return desk.lost() or answer(_body(shop, hook), 201)

    @routes.put("/<int:number>")
    def change(number: int) -> Response:
        hook = _find(number)
        if (request.get_json(force=True, silent=True) or {}).get("status") == "active":
            hook.reactivate()
        return answer(_body(shop, hook))

    @routes.delete("/<int:number>")
    def delete(number: int) -> Response:
        hook = _find(number)
        if request.args.get("force") != "true":
            raise RestError(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        del shop.hooks[number]
        return answer(_body(shop, hook))

    def _find(number: int) -> Hook:
        desk.check("woocommerce_rest_cannot_edit", "Sorry, you are not allowed to edit this resource.")
        if number not in shop.hooks:
            raise RestError(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return shop.hooks[number]

    return routes


def _body(shop: WooShop, hook: Hook) -> dict[str, Any]:
    """Show a webhook as the original does: without its secret and without its failures."""
    resource, _, event = hook.topic.partition(".")
    return {
        "id": hook.id, "name": hook.name, "status": hook.status, "topic": hook.topic, "resource": resource, "event": event,
        "hooks": [], "delivery_url": hook.target,
        "_links": links(f"{shop.home_url}/wp-json/wc/v3/webhooks", hook.id),
    }  # fmt: skip
