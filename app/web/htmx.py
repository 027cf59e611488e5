"""htmx 4 at our doors: what a request asks for, and answers that are a piece of a page.

htmx 4 names the source and the target as `tag#id` and sends no HX-Trigger, which htmx-flask 0.1.0 does not know yet.
Source: htmx 4.0.1, `#createCoreHeaders` and `#issueRequest`.
"""

from typing import cast
from urllib.parse import unquote

from flask import Response, g, request
from htmx_flask import make_response
from htmx_flask.requests import HtmxAwareRequest


class HtmxRequest(HtmxAwareRequest):  # type: ignore[misc]  # htmx-flask has no types
    """A request that knows which piece of the page it is about."""

    @property
    def hx_target_id(self) -> str | None:
        """The id of the element that the answer replaces."""
        return _element_id(self.headers.get("HX-Target"))

    @property
    def hx_source_id(self) -> str | None:
        """The id of the element that asked."""
        return _element_id(self.headers.get("HX-Source"))

    @property
    def wants_fragment(self) -> bool:
        """Whether the answer is a piece of the page; the back button and a boosted link want all of it."""
        return (
            bool(self.htmx)
            and self.headers.get("HX-Request-Type") != "full"
            and not self.htmx.history_restore_request
            and not self.htmx.boosted
        )


def htmx_request() -> HtmxRequest:
    """Return the current request with our words on it."""
    return cast("HtmxRequest", request)


def respond(fragment: str, *, toast: str | None = None, status: int = 200) -> Response:
    """Answer with a piece of the page; `toast` is a sentence that shows for a moment (app/static/app.js)."""
    g.answered_piece = True
    trigger = {"toast": {"text": toast}} if toast else None
    return cast("Response", make_response(fragment, status, trigger=trigger))


def is_piece() -> bool:
    """Whether the answer to this request was made by `respond`; an error page was not."""
    return bool(g.get("answered_piece"))


def redirect_whole_page(url: str) -> Response:
    """Send the whole page elsewhere; htmx would put what a plain redirect leads to into the piece it wanted."""
    return cast("Response", make_response("", 200, redirect=url))


def follow(url: str, *, toast: str | None = None) -> Response:
    """Have htmx say a sentence and then fetch a page in place of this one."""
    trigger = {"toast": {"text": toast}} if toast else None
    g.answered_piece = True
    return cast("Response", make_response("", 200, trigger=trigger, location=url))


def _element_id(identifier: str | None) -> str | None:
    """Read `tr#flow-1`; htmx applies encodeURI to the id."""
    _, found, element_id = (identifier or "").partition("#")
    return unquote(element_id) if found else None
