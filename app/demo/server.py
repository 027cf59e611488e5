"""The pretend outside world as one web application: two shop fronts, their APIs, and the demo's start page."""

import hashlib
from pathlib import Path

from flask import Flask, Response, render_template
from jinja2 import StrictUndefined

from app.demo.config import DemoConfig
from app.demo.control import control_pages
from app.demo.fakes import Fakes
from app.demo.prices import price
from app.demo.shopify_back_office import back_office
from app.demo.storefront import storefront_pages
from app.demo.woocommerce_back_office import wp_admin

_ROOT = Path(__file__).resolve().parents[2]
_LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]
_LARGEST = 1 << 20  # bytes of a request
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(config: DemoConfig, fakes: Fakes | None = None) -> Flask:
    """Make the application; `fakes_of` returns what is behind it, whose `stop` ends it cleanly.

    Args:
        config: addresses and secrets; with `announces` the shops introduce themselves at once.
        fakes: made from the configuration when None.
    """
    app = Flask(
        "app.demo", template_folder=str(_ROOT / "templates"), static_folder=str(_ROOT / "app" / "static"),
        static_url_path="/static",
    )  # fmt: skip
    fakes = fakes or Fakes(config)
    app.config.update(
        # Cookies do not know ports: Cartwheel on the next port has a session of its own.
        SESSION_COOKIE_NAME="cartwheel_demo_shopper",
        SESSION_COOKIE_SAMESITE="Lax",
        SECRET_KEY=hashlib.sha256(f"demo shoppers {config.shopify_client_secret}".encode()).hexdigest(),
        TRUSTED_HOSTS=_LOOPBACK,
        MAX_CONTENT_LENGTH=_LARGEST,
    )
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters["price"] = price
    app.extensions["cartwheel_demo"] = fakes
    app.context_processor(lambda: {"config": config, "shops": fakes.shops, "now": fakes.clock.now()})
    for pages in (
        control_pages(fakes), storefront_pages(fakes), fakes.shopify_api.blueprint(),
        *fakes.woocommerce_api.blueprints(), back_office(fakes), wp_admin(fakes),
    ):  # fmt: skip
        app.register_blueprint(pages)
    app.register_error_handler(404, _missing)
    app.after_request(_secure)
    if config.announces:
        fakes.announce()
    return app


def fakes_of(app: Flask) -> Fakes:
    """Return the shops behind an application."""
    fakes: Fakes = app.extensions["cartwheel_demo"]
    return fakes


def _missing(_error: Exception) -> tuple[str, int]:
    return render_template("demo/missing.html"), 404


def _secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", _POLICY)
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
