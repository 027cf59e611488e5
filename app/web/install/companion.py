"""The companion plugin's doors: the plugin to download, where its frame begins, where a page in it gets a token."""

import hashlib
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response, abort, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.config import settings
from app.web import languages
from app.web.guards import Guard, guarded
from app.web.install import wordpress_host
from app.web.install.wordpress_host import AGAIN, BACK_OFFICE, TOKEN
from integrations.woocommerce import plugin

blueprint = Blueprint("companion", __name__, url_prefix="/woocommerce")

_AN_HOUR = 3600  # seconds that a cache may keep it: an upgrade of Cartwheel brings another


@blueprint.get("/plugin.zip")
@guarded(Guard.PUBLIC)
def download() -> ResponseReturnValue:
    """Hand out the plugin, which knows where this Cartwheel is."""
    packed, fingerprint = _packed(settings().public_url)
    response = Response(packed, mimetype="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="{plugin.FILE_NAME}"'
    response.headers["Cache-Control"] = f"public, max-age={_AN_HOUR}"
    response.set_etag(fingerprint)
    return response.make_conditional(request)


@blueprint.get("/admin")
@guarded(Guard.PUBLIC)
def open_admin() -> ResponseReturnValue:
    """Lead the plugin's frame to the first page, which checks who is asking."""
    said: dict[str, Any] = {TOKEN: request.args.get(TOKEN, ""), **languages.of_host()}
    return redirect(url_for("admin.flows", **said))


@blueprint.get("/renew")
@guarded(Guard.PUBLIC)
def renew() -> ResponseReturnValue:
    """Answer a page that was loaded anew with nothing but the script that fetches a token and comes back with it."""
    origin, again = request.args.get(BACK_OFFICE, ""), request.args.get("again", "")
    if not wordpress_host.is_allowed(origin) or not AGAIN.fullmatch(again):
        abort(400)
    g.framing = wordpress_host.framing(origin)
    return render_template("install/renew.html", back_office=origin, again=again)


@lru_cache(maxsize=1)
def _packed(public_url: str) -> tuple[bytes, str]:
    packed = plugin.pack(public_url)
    return packed, hashlib.sha256(packed).hexdigest()[:32]
