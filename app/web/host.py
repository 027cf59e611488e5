"""The back offices that our pages are shown in: what each one is, as data (the table of them is in app/web/hosts.py)."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from flask.typing import ResponseReturnValue

from app.domain.errors import CartwheelError


class NotAdmitted(CartwheelError):
    """The token is none of this host's, or has ended: the page must bring a fresh one."""


Parameters = list[tuple[str, str]]  # of an address, in order


@dataclass(frozen=True, slots=True)
class Framing:
    """Who may show a page in a frame, and from where it may load scripts and fetch, beside ourselves: origins."""

    ancestors: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    connects: tuple[str, ...] = ()


def _nobody(_token: str) -> str:
    raise NotAdmitted("This host brings no tokens.")


def _nowhere(_domain: str, _token: str) -> int:
    raise NotAdmitted("This host brings no tokens.")


def _no_page(_domain: str, _kept: Parameters) -> ResponseReturnValue:
    raise NotAdmitted("This host brings no tokens.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One back office.

    Args:
        name: what `<html data-host>` says.
        parameter: of a page's address, which brings the token with the first load; later requests bring it as a bearer.
        marker: a parameter and its value, by which an address of a page in this host's frame is known; part of `marks`.
        read: checks a token and returns the shop's domain, without looking anything up. Raises NotAdmitted.
        enter: returns the id of that shop, and takes it in when it is new. Raises NotAdmitted, or an AdapterError when the
            platform did not let us.
        framing: who may frame the pages of a shop.
        marks: what every address on the pages of a shop carries, so that a page loaded anew knows where it is.
        named: returns the shop that an address says it is of, by which nobody is let in; None: of none that could be one.
        bounce: has a page that came without a good token come again with one, with these parameters.
        unknown: what is the matter when even a fresh token is not believed, and what to do, in two sentences or more.
        has_menu: whether the host draws our navigation in its own menu, from `<s-app-nav>`.
        head: a template that stands first in `<head>`.
        context: what that template needs.
    """

    name: str
    parameter: str = ""
    marker: tuple[str, str] = ("", "")
    read: Callable[[str], str] = _nobody
    enter: Callable[[str, str], int] = _nowhere
    framing: Callable[[str], Framing] = lambda _domain: Framing()
    marks: Callable[[str], dict[str, str]] = lambda _domain: {}
    named: Callable[[], str | None] = lambda: None
    bounce: Callable[[str, Parameters], ResponseReturnValue] = _no_page
    unknown: str = ""
    has_menu: bool = False
    head: str = ""
    context: Callable[[], dict[str, str]] = dict


STANDALONE = Host(name="standalone")


def policy(framing: Framing) -> str:
    """Return the content security policy of a page: its own files only, and no frame but the named ones."""
    ancestors, scripts, connects = (" ".join(each) for each in (framing.ancestors, framing.scripts, framing.connects))
    return (
        f"default-src 'self'; script-src {_besides(scripts)}; style-src 'self'; img-src 'self' data: https: http:; "
        f"connect-src {_besides(connects)}; base-uri 'none'; form-action 'self'; object-src 'none'; "
        f"frame-ancestors {ancestors or chr(39) + 'none' + chr(39)}"
    )


def retry(response: Response) -> Response:
    """Mark a 401 so that the host's script brings a fresh token and tries once more; Shopify's name, used by all hosts."""
    response.headers["X-Shopify-Retry-Invalid-Session-Request"] = "1"
    return response


def _besides(origins: str) -> str:
    return f"'self' {origins}".strip()
