"""Who may come in by which door: every route declares it, and a test fails on one that does not (I10, I11)."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import g, redirect, session, url_for
from flask.typing import ResponseReturnValue

from app.web import hosts

P = ParamSpec("P")
R = TypeVar("R")


class Guard(StrEnum):
    """The classes of doors."""

    SIGNED = "signed"  # a platform or provider, by its signature over the raw bytes
    TOKEN = "token"  # a shopper, by the unguessable token in the address  # noqa: S105
    MERCHANT = "merchant"  # somebody of one shop, by a back office's token (app/web/hosts.py) or our own cookie
    STAFF = "staff"  # our own people, by our cookie and their role (app/web/support/door.py)
    PUBLIC = "public"  # anybody; shows nothing of any shop
    DEMO = "demo"  # only registered outside production


def guarded(guard: Guard) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare the class of a door. MERCHANT is enforced here; the others enforce themselves by what they verify."""

    def declare(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def inner(*args: P.args, **kwargs: P.kwargs) -> R:
            return view(*args, **kwargs)

        wrapped: Callable[P, R] = _merchant_only(view) if guard is Guard.MERCHANT else inner  # type: ignore[assignment]
        wrapped.guard = guard  # type: ignore[attr-defined]
        return wrapped

    return declare


def shop_id() -> int:
    """Return the shop that this request works for; it comes from the verified session, never from a parameter (D14)."""
    return int(g.shop_id)


def actor() -> str:
    """Return who acts, for the audit log."""
    return str(g.actor)


def sign_in(shop_ids: list[int]) -> None:
    """Begin a session for these shops; the first is the one shown."""
    session.clear()
    session["shop_ids"] = shop_ids
    session["shop_id"] = shop_ids[0]


def _merchant_only(view: Callable[..., Any]) -> Callable[..., ResponseReturnValue]:
    @wraps(view)
    def inner(*args: Any, **kwargs: Any) -> ResponseReturnValue:
        if hosts.is_embedded():
            if (refusal := hosts.admit()) is not None:
                return refusal
        elif session.get("shop_id") in session.get("shop_ids", []):
            g.shop_id, g.actor = session["shop_id"], "merchant"
        else:
            return redirect(url_for("admin.signed_out"))
        return view(*args, **kwargs)  # type: ignore[no-any-return]

    return inner


def unguarded_routes(app: Any) -> list[str]:
    """List the endpoints that declare no guard; there must be none (static files are Flask's own)."""
    return [name for name, view in app.view_functions.items() if name != "static" and not hasattr(view, "guard")]
