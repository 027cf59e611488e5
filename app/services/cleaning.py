"""Makes what others wrote safe: for a header, for a link, for the HTML of a mail."""

import html
import re
from functools import lru_cache
from urllib.parse import urlsplit

import nh3

URL_LIMIT = 2_000  # characters; some mail programs break longer links

# Tags that a merchant's words may have; the blocks around them are ours.
BLOCKS = frozenset({"h1", "h2", "p", "ul", "ol", "li"})
_ALLOWED = nh3.Cleaner(
    tags={*BLOCKS, "a", "b", "strong", "i", "em", "br", "bdi"},
    attributes={"a": {"href"}, "bdi": {"dir"}},
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
    link_rel=None,
)
_READ = nh3.Cleaner(  # what has a line of its own; what nobody sees goes with its words
    tags={"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "pre", "blockquote", "hr"},
    clean_content_tags={"script", "style", "title"},
    attributes={},
)
_LINES = {"<hr>": "\n_____\n", "<blockquote>": "\n>\n"}
# Control characters, line and paragraph separators, what turns the direction of all that follows, halves of characters.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\ufeff\ud800-\udfff]")


def one_line(text: str, limit: int) -> str:
    """Return text that is safe in a header: one line, so many characters at most, no encoded words (RFC 2047)."""
    line = " ".join(_UNSAFE.sub(" ", text).split()).replace("=?", "= ?")
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def safe_url(url: str | None) -> str | None:
    """Return the URL if a mail may hold it (http or https, with a host), else None."""
    if not url or len(url) > URL_LIMIT or re.search(r"[\s\x00-\x1f\x7f<>\"\\]", url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and parts.hostname else None


@lru_cache(maxsize=512)  # both parts of a mail ask for it
def clean_html(rich: str) -> str:
    """Return what is left of the HTML when only the tags of `BLOCKS`, links and emphasis may stay."""
    return _ALLOWED.clean(rich).strip()


def html_as_text(rich: str) -> str:
    """Return the words of a mail's HTML, a line for each block; a rule becomes "_____", a quotation begins with ">"."""
    lines = _TAG.sub(lambda tag: _LINES.get(tag[0], "\n"), " ".join(_READ.clean(rich).split()))
    return "\n".join(" ".join(line.split()) for line in html.unescape(lines).split("\n"))


_TAG = re.compile(r"<[^<>]*>")  # after cleaning no other "<" is left
