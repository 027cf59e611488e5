"""The doors: webhooks in, pages for merchants and shoppers, and what watches us."""

import logging
from datetime import timedelta

from flask import Flask, Response, g, request
from htmx_flask import Htmx
from werkzeug.middleware.proxy_fix import ProxyFix

from app import crypto, log
from app.config import Environment, Settings, Transport, settings
from app.web import errors, health, hosts, languages
from app.web.host import Framing, policy

MAX_FORM_BYTES = 256 * 1024  # pages; webhook routes read their own bodies, with their own limit

csrf = hosts.BearerOrCsrf()


def create_app() -> Flask:
    """Make the web app from the settings of the environment."""
    config = settings()
    log.configure(config.log_format)
    app = Flask("app", template_folder="../templates", static_folder="static")
    app.url_map.strict_slashes = False  # a redirect on a webhook route loses the event: WooCommerce counts 308 as failure
    app.config.update(
        SECRET_KEY=crypto.derive("session"),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=config.public_url.startswith("https://"),
        SESSION_COOKIE_NAME="cartwheel",
        PERMANENT_SESSION_LIFETIME=timedelta(days=7),
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1),
    )
    app.extensions["cartwheel"] = {"outbox_dir": config.outbox_dir}
    Htmx(app)
    languages.init_app(app)
    csrf.init_app(app)
    app.jinja_env.globals["csrf_token"] = hosts.csrf_token  # for macros
    app.context_processor(lambda: {"csrf_token": hosts.csrf_token})
    _register(app, config)
    errors.init_app(app)
    app.after_request(_security_headers)
    if config.proxies:  # else a visitor could name any address and would have no limit
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    return app


def _register(app: Flask, config: Settings) -> None:
    from app.web import admin, inbound, public, receipts, support, webhooks
    from app.web.install import companion, shopify, woocommerce

    for blueprint in (webhooks.blueprint, receipts.blueprint, inbound.blueprint, health.blueprint, public.blueprint):
        csrf.exempt(blueprint)
        app.register_blueprint(blueprint)
    app.register_blueprint(shopify.blueprint)
    csrf.exempt(woocommerce.callback)  # a shop's server posts there: the token in its body is what is checked
    app.register_blueprint(woocommerce.blueprint)
    app.register_blueprint(companion.blueprint)
    csrf.exempt(admin.message_view.seen)  # changes nothing, and a frame has no cookie: its address carries the right to look
    app.register_blueprint(admin.blueprint)
    app.register_blueprint(support.blueprint)
    if config.mail_transport is Transport.OUTBOX and config.env is not Environment.PRODUCTION:
        from app.web import mailbox

        app.register_blueprint(mailbox.blueprint)


def _security_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", policy(g.get("framing") or Framing()))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "strict-origin-when-cross-origin")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
        headers.add("Vary", "HX-Request")
    return response
