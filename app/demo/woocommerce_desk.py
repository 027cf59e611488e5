"""What every endpoint of the pretend WooCommerce's API begins and ends with: the day's faults, the signature, the answer."""

import json
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from flask import Response, request

from app.demo.faults import ApiFaults
from app.demo.oauth import NotSignedError, Verifier
from app.demo.woocommerce import WooShop
from app.demo.woocommerce_keys import Keyring

MOST_PER_PAGE = 100


class RestError(Exception):
    """An answer that is WooCommerce's JSON error."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after = retry_after  # seconds; a host's firewall says so, not WooCommerce


class Instead(Exception):
    """An answer of what stands before the shop: a firewall, a redirect."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Desk:
    """Lets the faults of the day happen, checks signatures, and wakes the shop's queue, as every request to a shop does."""

    def __init__(self, shop: WooShop, keyring: Keyring) -> None:
        self.shop = shop
        self.faults = ApiFaults()
        self._keyring = keyring
        self._verifier = Verifier(keyring.secret_of)

    def check(self, code: str, message: str) -> None:
        """Let through who signed with a key of the shop. Basic authentication is off over http.

        Raises:
            RestError, Instead: what is answered in place of the answer.
        """
        self.shop.visit()
        self.suffer()
        parameters = dict(parse_qsl(request.query_string.decode(), keep_blank_values=True))  # PHP keeps the last
        if self.faults.is_revoked or not any(name.startswith("oauth_") for name in parameters):
            raise RestError(401, code, message)
        url = self.shop.config.shops_url + request.path  # the shop's own spelling of its host, whatever was called
        try:
            self._verifier.verify(request.method, url, parameters, _real_time())
        except NotSignedError as exc:
            raise RestError(401, "woocommerce_rest_authentication_error", str(exc)) from exc
        if request.path.endswith(self.faults.denied):
            raise RestError(403, code, message)

    def suffer(self) -> None:
        """Let the faults of the day happen."""
        time.sleep(self.faults.delay)
        if self.faults.take("fail"):
            bad = "The shop has a bad day."
            raise RestError(self.faults.fail_status, "fault", bad, retry_after=self.faults.retry_after)
        if self.faults.take("redirect"):
            raise Instead(Response("", 301, headers={"Location": f"https://www.lamp-loft.example{request.path}"}))
        if self.faults.take("html"):
            raise Instead(Response("<html><h1>Briefly unavailable for maintenance</h1></html>", 200))

    def lost(self) -> Response | None:
        """Return what a proxy answers that lost the shop's own answer, on a day when it does."""
        return Response("<html><h1>502 Bad Gateway</h1></html>", 502) if self.faults.take("lose") else None

    def instant(self, name: str) -> datetime | None:
        """Read a bound: with `dates_are_gmt` it is UTC, else the shop's wall clock."""
        text = request.args.get(name)
        if not text:
            return None
        zone = UTC if request.args.get("dates_are_gmt") == "true" else ZoneInfo(self.shop.catalogue.timezone)
        return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=zone).astimezone(UTC)


def answer(body: object, status: int = 200) -> Response:
    """Answer as PHP spells JSON."""
    return Response(json.dumps(body).replace("/", "\\/"), status, content_type="application/json; charset=UTF-8")


def listed(rows: list[dict[str, Any]]) -> Response:
    """Answer with one page of these rows, counted in headers, with only the fields that were asked for."""
    size, number = request.args.get("per_page", 10, type=int), request.args.get("page", 1, type=int)
    if not 1 <= size <= MOST_PER_PAGE:
        raise RestError(400, "rest_invalid_param", "Invalid parameter(s): per_page")
    page = rows[(number - 1) * size : number * size]
    if fields := request.args.get("_fields"):
        page = [{name: row[name] for name in fields.split(",") if name in row} for row in page]
    response = answer(page)
    response.headers["X-WP-Total"] = str(len(rows))
    response.headers["X-WP-TotalPages"] = str(-(-len(rows) // size))
    response.headers["Link"] = f'<{request.url}&page={number + 1}>; rel="next"'  # as the original: with the used signature
    return response


def in_order(rows: list[Any]) -> list[Any]:
    """Keep what is asked for by id, if something is, and turn the list round unless told otherwise."""
    if ids := request.args.get("include"):
        rows = [row for row in rows if str(row.id) in ids.split(",")]
    return rows if request.args.get("order") == "asc" else rows[::-1]


def refusal(error: RestError) -> Response:
    """Answer with an error of the shop's."""
    told = answer({"code": error.code, "message": str(error), "data": {"status": error.status}}, error.status)
    if error.retry_after is not None:
        told.headers["Retry-After"] = str(error.retry_after)
    return told


def _real_time() -> float:
    return time.time()  # noqa: TID251  (a shop's server has its own clock; signatures use real time, not the demo's)
