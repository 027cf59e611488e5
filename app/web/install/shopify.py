"""Shopify's doors: where its admin opens the app, the page that fetches a token, the older grant, the app proxy."""

import secrets
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, abort, g, jsonify, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app import clock
from app.config import settings
from app.db import sessions
from app.services import install
from app.web.guards import Guard, guarded
from app.web.install import shopify_host
from integrations.shopify import auth
from integrations.shopify.auth import BadToken
from integrations.shopify.scopes import needed_scopes

blueprint = Blueprint("shopify", __name__, url_prefix="/shopify")

_STATE_LIFE = timedelta(minutes=10)  # to read what Shopify asks, and say yes
_STATE = "shopify_state"  # in the session's signed cookie, used once


@blueprint.get("/")
@guarded(Guard.PUBLIC)
def home() -> ResponseReturnValue:
    """Open the app: its pages check who is asking. Without a token, a signed address begins the older grant."""
    if shopify_host.TOKEN in request.args or request.args.get("embedded") == "1":
        return redirect(url_for("admin.flows", **_all_args()))
    if "hmac" not in request.args:
        return redirect(url_for("admin.signed_out"))
    return redirect(url_for("shopify.begin_grant", **_all_args()))


@blueprint.get("/bounce")
@guarded(Guard.PUBLIC)
def bounce_page() -> ResponseReturnValue:
    """Answer a page with nothing but App Bridge, which comes back to the address in `shopify-reload` with a fresh token."""
    shop, again = request.args.get("shop", ""), auth.sanitize_reload(request.args.get(shopify_host.RELOAD, ""))
    if not auth.is_shop_domain(shop) or again is None:
        abort(HTTPStatus.BAD_REQUEST)
    g.framing = shopify_host.framing(shop)
    return render_template("install/bounce.html", **shopify_host.bridge())


@blueprint.get("/auth")
@guarded(Guard.SIGNED)
def begin_grant() -> ResponseReturnValue:
    """Ask the merchant on Shopify's own page; only for an address that Shopify signed, so nobody types a shop's name."""
    shop = _signed()["shop"]
    session[_STATE] = {"state": secrets.token_urlsafe(24), "shop": shop, "until": (_now() + _STATE_LIFE).timestamp()}
    wanted = {
        "client_id": settings().shopify_client_id,
        "scope": ",".join(sorted(needed_scopes())),
        "redirect_uri": f"{settings().public_url}{url_for('shopify.end_grant')}",
        "state": session[_STATE]["state"],
    }
    return redirect(auth.authorize_url(settings().shopify_base_url(shop), wanted))


@blueprint.get("/auth/callback")
@guarded(Guard.SIGNED)
def end_grant() -> ResponseReturnValue:
    """Take the shop in whose merchant said yes, and lead to the app inside its admin."""
    said, begun = _signed(), session.pop(_STATE, None)
    if not begun or begun["until"] < _now().timestamp() or said["shop"] != begun["shop"]:
        abort(HTTPStatus.UNAUTHORIZED)
    if not secrets.compare_digest(said.get("state", "").encode(), begun["state"].encode()):
        abort(HTTPStatus.UNAUTHORIZED)
    config = settings()
    fresh = auth.exchange_code(
        config.shopify_base_url(said["shop"]), said.get("code", ""),
        client_id=config.shopify_client_id, client_secret=config.shopify_client_secret,
    )  # fmt: skip
    shopify_host.take_in(said["shop"], fresh)
    handle = said["shop"].partition(".")[0]
    return redirect(f"{config.shopify_admin_url}/store/{handle}/apps/{config.shopify_client_id}")


@blueprint.get("/proxy", defaults={"path": ""})
@blueprint.get("/proxy/<path:path>")
@guarded(Guard.SIGNED)
def proxy(path: str) -> ResponseReturnValue:
    """Answer a shop's own domain through the app proxy: so far only that the way is open, for who sets it up."""
    try:
        said = auth.verify_proxy(request.args.items(multi=True), settings().shopify_secrets, _now())
    except BadToken:
        abort(HTTPStatus.UNAUTHORIZED)
    with sessions().begin() as database:
        is_known = install.standing(database, "shopify", said["shop"][0]).shop_id is not None
    if path or not is_known:
        abort(HTTPStatus.NOT_FOUND)
    return jsonify(app="cartwheel", shop=said["shop"][0])


@blueprint.errorhandler(401)
def not_signed(_error: Exception) -> Response:
    """Answer what is not signed as it should be, whatever is wrong with it."""
    return make_response(render_template("install/not_signed.html"), HTTPStatus.UNAUTHORIZED)


def _signed() -> dict[str, str]:
    try:
        return auth.verify_query(request.args.items(multi=True), settings().shopify_secrets, _now())
    except BadToken:
        abort(HTTPStatus.UNAUTHORIZED)


def _now() -> datetime:
    with sessions().begin() as database:
        return clock.real(database)


def _all_args() -> dict[str, Any]:
    return request.args.to_dict(flat=False)
