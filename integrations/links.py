"""Links that carry a coupon."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def with_parameter(url: str, name: str, value: str) -> str:
    """Return the URL with one query parameter set; the others stay as they are."""
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k != name]
    return urlunsplit(parts._replace(query=urlencode([*query, (name, value)])))
