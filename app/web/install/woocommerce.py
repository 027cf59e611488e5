"""WooCommerce's doors: the page that asks for a shop's address, its progress, the keys that come back, the way in.

Anybody may begin. Who ends up signed in is whose browser began an attempt that ended with keys proven against that shop: the
token of the attempt lies in the browser's signed cookie and in the address that the shop answers to, and nowhere else.
"""

import json

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from app.catalogues import noted
from app.config import settings
from app.db import sessions
from app.domain.errors import Refused
from app.domain.json_input import is_too_deep
from app.models import OAuthState
from app.queues import QueueName, ring_soon
from app.services import connecting, shops, signin
from app.services.connecting import Keys
from app.web.guards import Guard, guarded, sign_in
from app.web.htmx import htmx_request, respond
from app.web.install import woocommerce_progress as progress

blueprint = Blueprint("woocommerce", __name__, url_prefix="/woocommerce")

_ATTEMPT = "woocommerce_attempt"  # in the session's signed cookie
_LONGEST_ADDRESS = 300  # characters
_LONGEST_BODY = 16 * 1024  # bytes; keys come in 300
_NOT_HERE = noted(
    "Somebody else began this connection, in another browser. It was stopped, and the keys were thrown away. Remove the "
    "key in your shop under WooCommerce, Settings, Advanced, REST API."
)


@blueprint.get("/")
@blueprint.get("/connect")
@guarded(Guard.PUBLIC)
def start() -> ResponseReturnValue:
    """Ask for the shop's address."""
    return _form(address=request.args.get("shop", "")[:_LONGEST_ADDRESS])


@blueprint.post("/connect")
@guarded(Guard.PUBLIC)
def begin() -> ResponseReturnValue:
    """Begin an attempt; with keys typed in, they are proven, else the merchant approves in the shop."""
    typed = request.form.get("address", "")[:_LONGEST_ADDRESS]
    keys = _typed_keys()
    try:
        url = shops.woocommerce_url(_with_scheme(typed), allow_loopback=settings().allow_loopback_shops)
        if keys is None and request.form.get("by") == "keys":
            raise Refused(noted("A consumer key begins with ck_, a consumer secret with cs_. Copy both whole."))
        with sessions().begin() as database:
            _, token = connecting.begin(database, url, keys=keys, now=signin.real_now(database))
    except Refused as exc:
        return _form(address=typed, wrong=str(exc), by_keys=request.form.get("by") == "keys"), 422
    session[_ATTEMPT] = token
    ring_soon(QueueName.SHOPS)
    return redirect(url_for("woocommerce.show_progress"), 303)


@blueprint.get("/connect/progress")
@guarded(Guard.PUBLIC)
def show_progress() -> ResponseReturnValue:
    """Show how far this browser's attempt is; htmx asks for the list alone, once a second."""
    token = session.get(_ATTEMPT, "")
    with sessions().begin() as database:
        now = signin.real_now(database)
        attempt = connecting.find(database, token, now=now)
        seen = progress.read(database, attempt, now=now) if attempt else None
    if attempt is None or seen is None:
        return redirect(url_for("woocommerce.start"))
    approve_url = _approve_url(attempt, token) if seen.is_approving else None
    about = {"seen": seen, "approve_url": approve_url, "refused": request.args.get("refused") == "1"}
    if htmx_request().wants_fragment:
        return respond(render_template("woocommerce/_progress.html", **about))
    return render_template("woocommerce/progress.html", **about)


@blueprint.post("/callback")
@guarded(Guard.TOKEN)
def callback() -> ResponseReturnValue:
    """Take the keys that the shop's server posts after the merchant approved; exactly 200, or the shop drops the key."""
    body = request.get_data(cache=False) if (request.content_length or 0) <= _LONGEST_BODY else b""
    told = _read_keys(body)
    if told is None:
        return Response(status=400)
    token, keys = told
    with sessions().begin() as database:
        is_taken = connecting.take_keys(database, token, keys, now=signin.real_now(database))
    if not is_taken:
        return Response(status=403)
    ring_soon(QueueName.SHOPS)
    return Response(status=200)


@blueprint.get("/return")
@guarded(Guard.PUBLIC)
def come_back() -> ResponseReturnValue:
    """Meet the browser that approved or refused in the shop. What its address says is only shown, never believed."""
    token = request.args.get("user_id", "")
    if token == session.get(_ATTEMPT):
        refused = request.args.get("success") == "0"
        return redirect(url_for("woocommerce.show_progress", refused="1" if refused else None))
    return render_template("woocommerce/elsewhere.html", token=token[:64])


@blueprint.post("/stop")
@guarded(Guard.TOKEN)
def stop() -> ResponseReturnValue:
    """End an attempt that this browser came back from and did not begin: somebody sent its person the link."""
    with sessions().begin() as database:
        connecting.stop(database, request.form.get("token", "")[:64], _NOT_HERE, now=signin.real_now(database))
    if htmx_request().wants_fragment:
        return respond(render_template("woocommerce/_stopped.html"))
    return render_template("woocommerce/stopped.html")


@blueprint.post("/connect/session")
@guarded(Guard.TOKEN)
def enter() -> ResponseReturnValue:
    """Let the browser in whose attempt ended with proven keys; the token is used up by it."""
    with sessions().begin() as database:
        shop_id = connecting.enter(database, session.get(_ATTEMPT, ""), now=signin.real_now(database))
    if shop_id is None:
        return redirect(url_for("woocommerce.start"), 303)
    sign_in([shop_id, *(other for other in session.get("shop_ids", []) if other != shop_id)])
    return redirect(url_for("admin.flows"), 303)


def _form(*, address: str, wrong: str | None = None, by_keys: bool = False) -> str:
    return render_template("woocommerce/start.html", address=address, wrong=wrong, by_keys=by_keys)


def _with_scheme(typed: str) -> str:
    """Read what people type: the front page's address, with or without its scheme, in any case."""
    typed = typed.strip()
    scheme, separator, rest = typed.partition("://")
    if not separator:
        scheme, rest = "https", typed
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}".rstrip("/")


def _typed_keys() -> Keys | None:
    key, secret = (request.form.get(name, "").strip()[:200] for name in ("key", "secret"))
    return Keys(key, secret) if key.startswith("ck_") and secret.startswith("cs_") else None


def _approve_url(attempt: OAuthState, token: str) -> str:
    """Return the shop's own page that asks for approval (class-wc-auth.php: all five parameters are compulsory)."""
    base = settings().public_url
    return progress.approve_url(
        attempt.url, token, return_url=f"{base}{url_for('woocommerce.come_back')}",
        callback_url=f"{base}{url_for('woocommerce.callback')}",
    )  # fmt: skip


def _read_keys(body: bytes) -> tuple[str, Keys] | None:
    """Read `{user_id, consumer_key, consumer_secret, key_permissions}`; keys that may not write are none to us."""
    if is_too_deep(body):
        return None
    try:
        told = json.loads(body)
    except ValueError:
        return None
    if not isinstance(told, dict):
        return None
    token, key, secret = (told.get(name) for name in ("user_id", "consumer_key", "consumer_secret"))
    if not (isinstance(token, str) and isinstance(key, str) and isinstance(secret, str)):
        return None
    return token, Keys(key, secret)
