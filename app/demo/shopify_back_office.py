"""The pretend Shopify's own admin: it shows the app in a frame, and installs and removes it.

The frame's script is a stand-in for App Bridge (`app/static/demo/app-bridge.js`): it asks this page for session tokens, as
the real one asks Shopify's admin.
"""

import base64
from urllib.parse import urlencode

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as WerkzeugResponse

from app.demo.fakes import Fakes
from app.demo.shopify_oauth import make_session_token, sign_query

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src {app}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def back_office(fakes: Fakes) -> Blueprint:
    """Make the pages of the pretend admin."""
    pages = Blueprint("back_office", __name__, url_prefix="/store/<handle>")
    desk, config, domain = fakes.shopify_api.desk, fakes.config, fakes.shopify.catalogue.domain

    @pages.before_request
    def only_our_shop() -> None:
        if (request.view_args or {}).get("handle") != domain.partition(".")[0]:
            abort(404)

    @pages.get("/apps/<app>")
    def show(handle: str, app: str) -> Response:
        """Show the app in its frame, or a button that installs it."""
        if app != config.shopify_client_id:
            abort(404)
        host = base64.urlsafe_b64encode(f"{request.host}/store/{handle}".encode()).decode().rstrip("=")
        said = {"embedded": "1", "host": host, "shop": domain, "locale": desk.locale, "timestamp": str(int(desk.real()))}
        opened = f"{config.cartwheel_url}/shopify/?{urlencode(sign_query(said, config.shopify_client_secret))}"
        page = make_response(
            render_template("demo/back_office.html", shop=fakes.shopify, desk=desk, handle=handle, app=app, opened=opened)
        )
        page.headers["Content-Security-Policy"] = _POLICY.format(app=config.cartwheel_url)
        return page

    @pages.get("/apps/<app>/token")
    def session_token(**_where: str) -> Response:
        """Give the frame's script a session token, which lives for a minute."""
        secret, client_id = config.shopify_client_secret, config.shopify_client_id
        return jsonify(token=make_session_token(domain, client_id, secret, desk.real()))

    @pages.post("/apps/<app>/installation")
    def install(handle: str, app: str) -> WerkzeugResponse:
        """Install the app, or remove it."""
        is_installed = request.form.get("_method") != "delete"
        desk.set_installed(is_installed=is_installed)
        if not is_installed:
            fakes.shopify.tell_uninstalled()
        return redirect(url_for(".show", handle=handle, app=app), 303)

    return pages
