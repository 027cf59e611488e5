"""The mailbox page: what the outbox transport wrote, for people who develop or try Cartwheel.

It has no sign-in of its own and shows every mail there is, so it is registered only with the outbox transport, and
never in production (app/web/__init__.py).
"""

import heapq
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesHeaderParser, BytesParser
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.web.guards import Guard, guarded

PAGE_SIZE = 50
HEADER_BYTES = 16_384  # of a file, read to list it
SIZE_LIMIT = 90_000  # bytes of HTML; Gmail cuts off at about 102 kB
TABS = ("html", "text", "source")
# A tester must be able to follow the mail's links; its scripts and forms must not run.
_SANDBOX = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
_POLICY = (
    "default-src 'none'; img-src http: https: data:; style-src 'unsafe-inline'; form-action 'none'; "
    f"frame-ancestors 'self'; sandbox {_SANDBOX}"
)
_NEW_TAB = '<base target="_blank">'

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox")


@blueprint.get("/")
@guarded(Guard.DEMO)
def index() -> ResponseReturnValue:
    """List the mails, newest first; htmx asks for the list alone, and gets 204 while nothing is new."""
    directory = _directory()
    places = list(_places(directory))
    version = f"{max(places)[0] if places else 0}-{len(places)}"
    wants_fragment = request.headers.get("HX-Request") == "true"
    if wants_fragment and request.args.get("seen") == version:
        return Response(status=204)
    before = _parse_place(request.args.get("before", ""))
    found = heapq.nlargest(PAGE_SIZE + 1, (place for place in places if before is None or place < before))
    mails = [mail for _, key in found[:PAGE_SIZE] if (mail := _envelope(directory / f"{key}.eml"))]
    older = f"{found[PAGE_SIZE - 1][0]}.{found[PAGE_SIZE - 1][1]}" if len(found) > PAGE_SIZE else None
    template = "mailbox/_list.html" if wants_fragment else "mailbox/list.html"
    return render_template(template, mails=mails, count=len(places), older=older, version=version, is_newest=before is None)


@blueprint.get("/<key>")
@guarded(Guard.DEMO)
def show(key: str) -> ResponseReturnValue:
    """Show one mail: as HTML, as text or as its source."""
    path = _path(key)
    raw = path.read_bytes()
    message = BytesParser(_class=EmailMessage, policy=default).parsebytes(raw)
    html = _part(message, "html")
    look = _Look()
    look.feed(html)
    return render_template(
        "mailbox/mail.html",
        mail=_envelope(path),
        tab=request.args.get("show") if request.args.get("show") in TABS else "html",
        is_phone=request.args.get("width") == "phone",
        sandbox=_SANDBOX,
        headers=[(name, str(value)) for name, value in message.items()],
        html=html,
        text=_part(message, "plain"),
        source=raw.decode("utf-8", "replace"),
        links=look.links,
        checks=list(_checks(message, html, look)),
    )


@blueprint.get("/<key>/html")
@guarded(Guard.DEMO)
def html_part(key: str) -> ResponseReturnValue:
    """Serve the HTML part for the frame of `show`: no scripts, no forms, links open in a tab of their own."""
    html = _part(BytesParser(_class=EmailMessage, policy=default).parsebytes(_path(key).read_bytes()), "html")
    marked, count = re.subn(r"(<head[^>]*>)", rf"\1{_NEW_TAB}", html, count=1, flags=re.IGNORECASE)
    return Response(marked if count else _NEW_TAB + html, mimetype="text/html", headers={"Content-Security-Policy": _POLICY})


@blueprint.get("/<key>/raw")
@guarded(Guard.DEMO)
def raw_file(key: str) -> ResponseReturnValue:
    """Hand out the file as it is."""
    disposition = {"Content-Disposition": f"attachment; filename={key}.eml"}
    return Response(_path(key).read_bytes(), mimetype="message/rfc822", headers=disposition)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A mail as it is listed; `at` is what its Date says, `size` is in bytes."""

    key: str
    sender: str
    to: str
    subject: str
    flow: str
    step: str
    at: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Check:
    """Something that a mail must have, and whether it has it."""

    is_good: bool
    text: str


def _directory() -> Path:
    directory: Path = current_app.extensions["cartwheel"]["outbox_dir"]
    return directory


def _places(directory: Path) -> Iterator[tuple[int, str]]:
    """Yield what orders the mails, without reading them: time of the file in nanoseconds, then key."""
    if not directory.is_dir():  # nothing was sent yet
        return
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".eml") and _is_key(key := entry.name.removesuffix(".eml")):
                with suppress(FileNotFoundError):  # deleted meanwhile
                    yield entry.stat().st_mtime_ns, key


def _parse_place(place: str) -> tuple[int, str] | None:
    match = re.fullmatch(r"(\d{1,20})\.([A-Za-z0-9_-]{1,100})", place, re.ASCII)
    return (int(match[1]), match[2]) if match else None


def _is_key(key: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-]{1,100}", key) is not None


def _path(key: str) -> Path:
    path = _directory() / f"{key}.eml"
    if not _is_key(key) or not path.is_file():
        abort(404)
    return path


def _envelope(path: Path) -> Envelope | None:
    """Read the head of a mail; None when it was deleted meanwhile."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
            facts = os.fstat(file.fileno())
    except FileNotFoundError:
        return None
    message = BytesHeaderParser(policy=default).parsebytes(head)
    flow, _, step = str(message["X-Cartwheel-Flow"] or "").partition("/")
    date = getattr(message["Date"], "datetime", None) or datetime.fromtimestamp(facts.st_mtime, UTC)
    return Envelope(
        key=path.stem,
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        subject=str(message["Subject"] or "") or "(no subject)",
        flow=flow.replace("_", " ").capitalize(),
        step=step.replace("_", " ").capitalize(),
        at=date.astimezone(UTC),
        size=facts.st_size,
    )


def _part(message: EmailMessage, kind: str) -> str:
    """Return the part's text, empty when there is none."""
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _checks(message: EmailMessage, html: str, look: "_Look") -> Iterator[Check]:
    has_one_click = "List-Unsubscribe" in message and "List-Unsubscribe-Post" in message
    yield Check(has_one_click, "One-click unsubscribe header" if has_one_click else "No one-click unsubscribe header")
    has_text = bool(_part(message, "plain").strip())
    yield Check(has_text, "Plain text part" if has_text else "No plain text part")
    size = len(html.encode())
    yield Check(size <= SIZE_LIMIT, f"{size / 1000:.1f} kB of HTML; Gmail cuts off at 102")
    missing = look.without_alt
    yield Check(not missing, f"Pictures without an alt text: {missing}" if missing else "Every picture has an alt text")


class _Look(HTMLParser):
    """Finds the links with their words, which a picture in one has too, and counts the pictures without an alt attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.without_alt = 0
        self._is_inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a link or a picture."""
        found = dict(attrs)
        if tag == "a" and (href := found.get("href")):
            self.links.append((href, found.get("aria-label") or ""))
            self._is_inside = not found.get("aria-label")  # which is read out in place of what the link holds
        elif tag == "img" and "alt" not in found:
            self.without_alt += 1
        elif tag == "img":
            self.handle_data(found["alt"] or "")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a link's words."""
        self._is_inside = self._is_inside and tag != "a"

    def handle_data(self, data: str) -> None:
        """Gather a link's words."""
        if self._is_inside:
            href, words = self.links[-1]
            self.links[-1] = (href, " ".join(f"{words} {data}".split()))
