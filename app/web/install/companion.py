"""The companion plugin to download: the same for everybody, so anybody may have it."""

import hashlib
from functools import lru_cache

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from app.config import settings
from app.web.guards import Guard, guarded
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


@lru_cache(maxsize=1)
def _packed(public_url: str) -> tuple[bytes, str]:
    packed = plugin.pack(public_url)
    return packed, hashlib.sha256(packed).hexdigest()[:32]
