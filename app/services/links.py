"""The links of mails: each becomes a row before the mail is claimed, and the mail carries a token that leads to the row.

An address in a mail is never passed along in the link itself, so nobody can make our door lead elsewhere.
"""

import base64
import html
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from sqlalchemy.orm import Session

from app import crypto
from app.domain.ports import Mail
from app.models import Link
from app.models.bulk import insert_rows
from app.services import mail_rules
from app.services.mail_rules import Rules

PIXEL, HIDDEN, FIRST = 0, 1, 2  # positions
MOST = 100  # links of one mail that are followed; the rest lead where they lead
UNTRACKED = frozenset({"double_opt_in"})  # nothing is measured before somebody agreed
_HREF = re.compile(r'href="(https?://[^"]+)"')
_ADDRESS = re.compile(r"https?://[^\s<>]+")


@dataclass(frozen=True, slots=True)
class Written:
    """A rendered mail whose links are about to be written; `hosts` are the shop's, which may get campaign marks."""

    shop_id: int
    delivery_id: int
    mail: Mail
    hosts: frozenset[str]


def track(session: Session, written: Sequence[Written], *, public_url: str) -> dict[int, Mail]:
    """Return the mails with followed links, by delivery: one statement writes the rows of the whole batch.

    A mail that is rendered again keeps its tokens, so a copy that did go out leads to the same places.
    """
    rules = mail_rules.of_all(session, sorted({w.shop_id for w in written}))
    plans = [_Plan.of(w, rules.get(w.shop_id, Rules()), public_url) for w in written]
    tokens = _store(session, [row for plan in plans for row in plan.rows()])
    return {plan.written.delivery_id: plan.fill(tokens, public_url) for plan in plans}


def public(token: bytes) -> str:
    """Return the form of a token in an address: 22 URL-safe characters."""
    return base64.urlsafe_b64encode(token).decode().rstrip("=")


def with_campaign(url: str, flow: str, step: str) -> str:
    """Return the address with campaign marks for the shop's own statistics; one that has such marks keeps its own."""
    parts = urlsplit(url)
    if "utm_" in parts.query:
        return url
    marks = {"utm_source": "cartwheel", "utm_medium": "email", "utm_campaign": flow, "utm_content": step}
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, urlencode(marks))))))


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of one mail's links: the address at each place of its HTML, in order; None stays as it is."""

    written: Written
    rules: Rules
    places: tuple[tuple[str, str | None], ...]  # as it stands, where it will lead

    @classmethod
    def of(cls, written: Written, rules: Rules, public_url: str) -> "_Plan":
        flow, _, step = written.mail.flow_step.partition("/")
        places = []
        for raw in _HREF.findall(written.mail.html):
            url = html.unescape(raw)
            is_ours = url.startswith(f"{public_url}/")
            marked = rules.adds_utm and urlsplit(url).hostname in written.hosts
            wanted = with_campaign(url, flow, step) if marked else url
            places.append((url, None if is_ours or flow in UNTRACKED else wanted))
        return cls(written, rules, tuple(places))

    @property
    def followed(self) -> list[str]:
        """The addresses that get a row, in order."""
        return [wanted for _, wanted in self.places if wanted][:MOST] if self.rules.tracks_clicks else []

    def rows(self) -> list[dict[str, object]]:
        """The rows to be written, each with a token of its own."""
        flow = self.written.mail.flow_step.partition("/")[0]
        found: list[tuple[int, str | None, bool]] = []
        if self.rules.tracks_opens and flow not in UNTRACKED:
            found.append((PIXEL, None, False))
        if self.followed:
            found.append((HIDDEN, self.followed[0], True))
        found += [(n, url, False) for n, url in enumerate(self.followed, start=FIRST)]
        return [
            {
                "shop_id": self.written.shop_id, "delivery_id": self.written.delivery_id, "position": position,
                "token": secrets.token_bytes(crypto.TOKEN_BYTES), "url": url, "is_hidden": is_hidden,
            }
            for position, url, is_hidden in found
        ]  # fmt: skip

    def fill(self, tokens: dict[tuple[int, int], str], public_url: str) -> Mail:
        """Return the mail with its addresses exchanged."""
        mine = {place: token for (delivery_id, place), token in tokens.items() if delivery_id == self.written.delivery_id}
        new: list[str] = []
        position = FIRST
        for url, wanted in self.places:
            token = mine.get(position) if wanted else None
            new.append(f"{public_url}/c/{token}" if token else wanted or url)
            position += 1 if wanted else 0
        mail = self.written.mail
        in_text = dict(reversed([(url, to) for (url, _), to in zip(self.places, new, strict=True)]))
        return replace(
            mail,
            html=_with_marks(_exchanged(mail.html, new), mine, public_url),
            text=_ADDRESS.sub(lambda m: _in_text(m[0], in_text), mail.text),
        )


def _store(session: Session, rows: Sequence[dict[str, object]]) -> dict[tuple[int, int], str]:
    if not rows:
        return {}
    statement = insert_rows(Link, rows)
    kept = statement.on_conflict_do_update(
        index_elements=["shop_id", "delivery_id", "position"], set_={"url": statement.excluded.url}
    )
    found = session.execute(kept.returning(Link.delivery_id, Link.position, Link.token))
    return {(delivery_id, position): public(bytes(token)) for delivery_id, position, token in found}


def _exchanged(page: str, new: Iterable[str]) -> str:
    addresses = iter(new)
    return _HREF.sub(lambda _: f'href="{html.escape(next(addresses))}"', page)


def _with_marks(page: str, tokens: dict[int, str], public_url: str) -> str:
    """Add the link that only a robot finds, and the pixel, at the end of the page."""
    marks = ""
    if hidden := tokens.get(HIDDEN):
        marks += f'<a href="{public_url}/c/{hidden}" style="display:none" aria-hidden="true" tabindex="-1"></a>'
    if pixel := tokens.get(PIXEL):
        marks += f'<img src="{public_url}/o/{pixel}" width="1" height="1" alt="" style="display:block">'
    before, end, after = page.rpartition("</body>")
    return f"{before}{marks}{end}{after}" if end else page + marks


def _in_text(found: str, new: dict[str, str]) -> str:
    """Exchange an address in the text part; a bracket or a full stop behind it is not a part of it."""
    for length in range(len(found), max(len(found) - 3, 0), -1):
        if found[:length] in new:
            return new[found[:length]] + found[length:]
    return found
