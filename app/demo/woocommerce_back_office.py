"""The pretend shop's wp-admin: the companion plugin's page, which frames our admin and hands out tokens for it.

The script around the frame is the plugin's own (`assets/admin.js`), and the connection is found as the plugin finds it: in
the shop's webhooks.
"""

import json

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request, send_from_directory

from app.demo.fakes import Fakes
from integrations.woocommerce import plugin

NONCE = "a-nonce"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src {app}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def wp_admin(fakes: Fakes) -> Blueprint:
    """Make the pages of the pretend wp-admin."""
    pages = Blueprint("wp_admin", __name__, url_prefix="/woocommerce/wp-admin")
    passport, app = fakes.passport, fakes.config.cartwheel_url

    @pages.before_request
    def only_with_the_plugin() -> None:
        if not fakes.woocommerce.has_companion:
            abort(404)

    @pages.get("/admin.php")
    def show() -> Response:
        """Show Cartwheel in its frame, or the way to connect the shop."""
        token = passport.token()
        opened = f"{app}/woocommerce/admin?wordpress_token={token}&locale={passport.locale}" if token else None
        connect = f"{app}/woocommerce/connect?shop={fakes.woocommerce.home_url}"
        page = make_response(render_template("demo/wp_admin.html", shop=fakes.woocommerce, opened=opened, connect=connect))
        page.headers["Content-Security-Policy"] = _POLICY.format(app=app)
        return page

    @pages.post("/admin-ajax.php")
    def renew() -> Response | tuple[Response, int]:
        """Give the page's script a fresh token."""
        if request.form.get("nonce") != NONCE or request.form.get("action") != "cartwheel_token":
            return jsonify(success=False), 403
        token = passport.token()
        return jsonify(success=True, data={"token": token}) if token else (jsonify(success=False), 409)

    @pages.get("/localized.js")
    def localized() -> Response:
        """Write what WordPress writes into the page itself for the plugin's script."""
        said = {"ajaxUrl": "/woocommerce/wp-admin/admin-ajax.php", "nonce": NONCE, "origin": app}
        return Response(f"window.cartwheelAdmin = {json.dumps(said)};", mimetype="text/javascript")

    @pages.get("/plugin/<path:name>")
    def asset(name: str) -> Response:
        """Hand out the plugin's own scripts and styles."""
        return send_from_directory(plugin.SOURCE / "assets", name)

    return pages
