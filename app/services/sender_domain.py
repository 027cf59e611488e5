"""Whether a shop's mail domain is set up so that mailboxes believe its mail: SPF, DKIM, DMARC and MX.

Source: Google's sender guidelines, and Yahoo's and Microsoft's for bulk senders: SPF and DKIM pass, DMARC is there, one of
the two is aligned with the From address.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from app.domain.errors import NoAnswer
from app.domain.ports import NameLookup

# Names under which keys are kept by SendGrid and by other senders that shops use; DNS cannot list them.
SELECTORS = ("s1", "s2", "m1", "default", "mail", "google", "selector1", "selector2", "k1", "dkim")
SPF_LOOKUPS = 10  # RFC 7208, 4.6.4

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to add to the DNS, as its owner types it."""

    name: str
    value: str
    type: Literal["TXT"] = "TXT"


@dataclass(frozen=True, slots=True)
class Record:
    """What stands in the DNS of one kind.

    `remedy` says what to do, and is empty when all is well; `entry` is the record to have then, where we can know it.
    `is_asked` says whether the DNS answered at all.
    """

    kind: Literal["spf", "dkim", "dmarc", "mx"]
    verdict: Verdict
    detail: str
    remedy: str = ""
    entry: Entry | None = None
    is_asked: bool = True


def look_up(domain: str, names: NameLookup, *, selectors: Sequence[str] = SELECTORS, via: str = "") -> list[Record]:
    """Ask for all four; one that cannot be asked is a warning, never an error.

    Args:
        domain: of the From address.
        names: the DNS.
        selectors: names of DKIM keys to try.
        via: what SPF has to name for whoever sends our mail, such as `include:sendgrid.net`; empty when not known.
    """
    checks: tuple[Callable[[str, NameLookup], Record], ...] = (
        lambda d, n: _spf(d, n, via), lambda d, n: _dkim(d, n, selectors), _dmarc, _mx,
    )  # fmt: skip
    kinds: tuple[Literal["spf", "dkim", "dmarc", "mx"], ...] = ("spf", "dkim", "dmarc", "mx")
    found = []
    for kind, check in zip(kinds, checks, strict=True):
        try:
            found.append(check(domain, names))
        except NoAnswer as exc:
            found.append(Record(kind, "warn", f"could not be asked ({exc})", "Try again in a minute.", is_asked=False))
    return found


def worst(records: Sequence[Record]) -> Verdict:
    """Return the worst verdict of some records."""
    verdicts: tuple[Verdict, ...] = ("fail", "warn", "ok")
    return next(v for v in verdicts if v == "ok" or any(r.verdict == v for r in records))


def _spf(domain: str, names: NameLookup, via: str) -> Record:
    found = [text for text in names.txt(domain) if re.match(r"v=spf1(\s|$)", text, re.IGNORECASE)]
    if not found:
        return Record(
            "spf", "fail", "there is none", "Add a TXT record that begins with v=spf1 and names who sends for you.",
            Entry(domain, f"v=spf1 {via} ~all") if via else None,
        )  # fmt: skip
    if len(found) > 1:
        return Record("spf", "fail", f"there are {len(found)}, and then none counts", "Make one record of them.")
    terms = found[0].lower().split()[1:]
    asked = sum(re.match(r"[+?~-]?(include:|a\b|mx\b|ptr\b|exists:)|redirect=", term) is not None for term in terms)
    if asked > SPF_LOOKUPS:
        return Record("spf", "fail", f"it asks {asked} times, 10 are allowed", "Take out senders that you no longer use.")
    if any(term in {"+all", "all"} for term in terms):
        ended = re.sub(r"\s\+?all\b", " ~all", found[0], flags=re.IGNORECASE)
        return Record("spf", "fail", "it lets everybody send (+all)", "Let it end with ~all.", Entry(domain, ended))
    if not any(term in {"~all", "-all", "?all"} or term.startswith("redirect=") for term in terms):
        return Record("spf", "warn", "it has no end", "Let it end with ~all.", Entry(domain, f"{found[0].strip()} ~all"))
    return Record("spf", "ok", found[0][:120])


def _dkim(domain: str, names: NameLookup, selectors: Sequence[str]) -> Record:
    there = list(_keys(domain, names, selectors))
    if good := [name for name, key in there if key]:
        return Record("dkim", "ok", f"a key named {', '.join(good)}")
    if there:
        return Record("dkim", "fail", f"the key {there[0][0]} was withdrawn", "Publish the key that your sender shows you.")
    remedy = "Publish the records that your sender shows you; if your key has another name, a test mail shows that it works."
    return Record("dkim", "warn", "no key under the usual names", remedy)


def _keys(domain: str, names: NameLookup, selectors: Sequence[str]) -> Iterator[tuple[str, str]]:
    for selector in selectors:
        for text in names.txt(f"{selector}._domainkey.{domain}"):
            if match := re.search(r"(?:^|;)\s*p=([^;]*)", text):
                yield selector, match[1].strip()


def _dmarc(domain: str, names: NameLookup) -> Record:
    for place in _upwards(domain):
        found = [text for text in names.txt(f"_dmarc.{place}") if text.lower().replace(" ", "").startswith("v=dmarc1")]
        if len(found) > 1:
            return Record("dmarc", "fail", f"there are {len(found)}, and then none counts", "Leave one of them.")
        if found:
            policy = re.search(r"(?:^|;)\s*p\s*=\s*(none|quarantine|reject)\s*(?:;|$)", found[0], re.IGNORECASE)
            if policy:
                return Record("dmarc", "ok", f"p={policy[1].lower()}, at {place}")
            return Record("dmarc", "fail", "it has no policy", "Let it have one.", _policy(place))
    remedy = f"Add a TXT record at _dmarc.{domain}: v=DMARC1; p=none"
    told = "there is none: Gmail, Yahoo and Outlook refuse much mail without it"
    return Record("dmarc", "fail", told, remedy, _policy(domain))


def _policy(place: str) -> Entry:
    """Return the mildest policy: it refuses nothing, and later can be made stricter."""
    return Entry(f"_dmarc.{place}", "v=DMARC1; p=none")


def _mx(domain: str, names: NameLookup) -> Record:
    hosts = names.mx(domain)
    if not hosts or hosts == ["."]:
        return Record("mx", "warn", "it takes no mail: answers and complaints come back", "Give the domain a mailbox.")
    return Record("mx", "ok", hosts[0])


def _upwards(domain: str) -> Iterator[str]:
    """Yield the domain and those above it that may have a policy, down to two labels."""
    labels = domain.split(".")
    for start in range(max(1, len(labels) - 1)):
        yield ".".join(labels[start:])
