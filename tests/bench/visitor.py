"""Somebody with a browser's manners and no library in between: one kept connection, a cookie, the token of its forms."""

import http.client
import re
import time
from urllib.parse import urlencode

_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')
_TIMEOUT = 60.0  # seconds; the web's statements end after 30
_IDLE = 10.0  # seconds, after which the connection is opened anew: the server ends one that was idle for 30


class Visitor:
    """A signed-in person. Their connection is kept, so all their requests meet one of the web's processes."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
        self._used_at = 0.0
        self._cookie = ""
        self._token = ""

    def sign_in(self, path: str) -> None:
        """Use a one-time link as its page says: by its button."""
        self._read_token(path)
        status, _ = self._ask("POST", path, {})
        assert status == 303, (path.rpartition("/")[0], status)

    def learn_token(self, path: str) -> None:
        """Take the token of the forms on a page, which all forms of the session share."""
        self._read_token(path)

    def open(self, path: str, form: dict[str, str]) -> tuple[float, bytes]:
        """Ask for a page, or send a form, and return the milliseconds and what came.

        Raises:
            AssertionError: it was not answered with 200.
        """
        if time.perf_counter() - self._used_at > _IDLE:
            self._connection.close()
            self._connection.connect()
        began = time.perf_counter()
        status, body = self._ask("POST" if form else "GET", path, form)
        took = (time.perf_counter() - began) * 1000
        assert status == 200, (path, status)
        return took, body

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _read_token(self, path: str) -> None:
        status, body = self._ask("GET", path, {})
        assert status == 200, (path, status)
        found = _TOKEN.search(body.decode())
        assert found is not None, f"no form on {path}"
        self._token = found[1]

    def _ask(self, method: str, path: str, form: dict[str, str]) -> tuple[int, bytes]:
        headers = {"Cookie": self._cookie} if self._cookie else {}
        body = None
        if method == "POST":
            body = urlencode({**form, "csrf_token": self._token})
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        self._used_at = time.perf_counter()
        if set_cookie := answer.getheader("Set-Cookie"):
            self._cookie = set_cookie.partition(";")[0]
        return answer.status, answer.read()
