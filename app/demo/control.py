"""The demo's start page with its clock, and what the shops sent."""

from datetime import datetime, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, session, url_for
from werkzeug.wrappers import Response

from app.demo.fakes import Fakes
from app.demo.store import Checkout
from app.demo.timetravel import TimeTravel
from app.domain.errors import CartwheelError

_STEPS = {"1": "one hour", "24": "a day"}  # hours that can be skipped at once
_SHOWN = 40  # deliveries on the page
_WEBHOOKS_PATIENCE = 3.0  # seconds for what the shops are still sending


def control_pages(fakes: Fakes) -> Blueprint:
    """Make the pages that explain and steer the demo."""
    pages = Blueprint("control", __name__)

    @pages.get("/")
    def start() -> str:
        left = fakes.shops.get(request.args.get("left", ""))
        cart = left.store.get(Checkout, session.get(left.catalogue.key, "")) if left else None
        return render_template("demo/start.html", ahead=fakes.clock.offset(), left=left, cart=cart)

    @pages.get("/control")
    def control() -> str:
        return render_template("demo/control.html", **_sent(fakes), ahead=fakes.clock.offset())

    @pages.get("/control/deliveries")
    def deliveries() -> str:
        return render_template("demo/_deliveries.html", **_sent(fakes))

    @pages.post("/clock")
    def skip() -> Response:
        hours = request.form.get("hours", "")
        if hours not in _STEPS:
            abort(400, "The clock skips 1 or 24 hours.")
        try:
            now = _skip(fakes, timedelta(hours=int(hours)))
        except CartwheelError as exc:
            flash(str(exc), "warn")
        else:
            flash(f"You skipped {_STEPS[hours]}. In the demo it is now {now:%A, %-d %B, %H:%M} UTC.", "ok")
        return redirect(_back(), 303)

    @pages.post("/control/hooks/<int:number>/activation")
    def activate(number: int) -> Response:
        if hook := fakes.woocommerce.hooks.get(number):
            hook.reactivate()
        return redirect(url_for("control.control"), 303)

    return pages


def _skip(fakes: Fakes, step: timedelta) -> datetime:
    """Let time pass; with Cartwheel's database at hand, what falls due on the way is done on the way."""
    fakes.sender.wait_until_idle(_WEBHOOKS_PATIENCE)
    if fakes.config.database_url is None:
        return fakes.clock.skip(step)
    return TimeTravel(fakes.clock, fakes.config.database_url).skip(step)


def _sent(fakes: Fakes) -> dict[str, object]:
    return {"attempts": fakes.sender.recent(_SHOWN), "hooks": list(fakes.woocommerce.hooks.values())}


def _back() -> str:
    return url_for("control.control" if request.form.get("back") == "control" else "control.start")
