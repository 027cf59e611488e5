"""The package `woocommerce`, carried by a session of ours. Loads requests: for jobs only."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

import requests
from requests.auth import HTTPBasicAuth
from woocommerce import API
from woocommerce.oauth import OAuth

from integrations.pinned import new_session

AGENT = "Cartwheel"
_HEADERS = {"User-Agent": AGENT, "Accept": "application/json"}
_JSON = {"Content-Type": "application/json; charset=utf-8"}


class CarriedAPI(API):  # type: ignore[misc]  # the package has no types
    """The package's API whose requests go over a vetted connection that is kept, and are never redirected.

    The package sends with `requests.request` and takes no session, so the one method that sends is replaced. Over http it
    would also send every parameter twice.
    """

    def __init__(self, url: str, key: str, secret: str, *, timeout: tuple[float, float]) -> None:
        super().__init__(url, key, secret, wp_api=True, version="wc/v3", timeout=timeout)
        self._session = new_session()

    def close(self) -> None:
        """Let the connection go."""
        self._session.close()

    def _API__request(  # noqa: N802  (the package's own private name)
        self, method: str, endpoint: str, data: object, params: Mapping[str, str] | None = None
    ) -> requests.Response:
        url, auth = f"{self.url}/wp-json/{self.version}/{endpoint}", None
        if params:
            url = f"{url}?{urlencode(params)}"
        if self.is_ssl:
            auth = HTTPBasicAuth(self.consumer_key, self.consumer_secret)
        else:
            url = OAuth(url, self.consumer_key, self.consumer_secret, version=self.version, method=method).get_oauth_url()
        body = None if data is None else json.dumps(data, ensure_ascii=False).encode()
        return self._session.request(
            method,
            url,
            data=body,
            headers=_HEADERS if body is None else _HEADERS | _JSON,
            auth=auth,
            timeout=self.timeout,
            allow_redirects=False,  # of a redirected POST a GET would be made, which is answered 200 with a list
            stream=True,
        )
