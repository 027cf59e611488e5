"""Sends through SendGrid's API over connections that are kept: one call for one mail, accepted by 202 and nothing else.

SendGrid has no idempotency key, so a call whose answer is lost is never made again by itself: the ledger shows it as
unknown until an event with our `cw_delivery` tells (D7). Source: `tsg_mail_v3.json` of twilio/sendgrid-oai; reliability
is the table in docs/mail.md.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from app.domain.errors import AdapterError, Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.domain.ports import Mail
from integrations import http
from integrations.sendgrid.body import body_of

MOST_THREADS = 64  # connections that are kept open
_WHO = "SendGrid"
_TIMEOUT = (3.0, 20.0)  # seconds to connect, to wait for the answer
_LONGEST_REASON = 200  # characters


class SendGridTransport:
    """A way out for mail through SendGrid.

    Args:
        api_key: the key, with the right `mail.send`.
        api_base: `https://api.sendgrid.com`, or the host of the EU region.
        now: the time, to read the moment that a rate limit ends at.
    """

    def __init__(self, api_key: str, api_base: str, now: Callable[[], datetime]) -> None:
        import requests
        from sendgrid import SendGridAPIClient

        client = SendGridAPIClient(api_key, host=api_base).client
        self._url = f"{client.host}/v3/mail/send"
        self._now = now
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc file would replace the key
        self._session.headers.update(client.request_headers)
        self._session.headers["Content-Type"] = "application/json"
        for scheme in ("https://", "http://"):
            adapter = requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=MOST_THREADS, max_retries=0)
            self._session.mount(scheme, adapter)

    def send(self, mail: Mail) -> str:
        """Hand the mail over and return SendGrid's id for it.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """
        body = body_of(mail)
        answer = http.ask(
            lambda: self._session.post(self._url, data=body, timeout=_TIMEOUT, allow_redirects=False, stream=True), _WHO
        )
        if answer.status != 202:
            raise self._refused(answer)
        return answer.headers.get("x-message-id") or f"sendgrid-{mail.key}"

    def was_sent(self, key: str) -> bool | None:  # noqa: ARG002  (SendGrid cannot be asked)
        """Say that nobody knows: looking mails up is a paid extra, and empty for the EU region."""
        return None

    def forget(self, key: str) -> None:
        """Do nothing: we keep nothing of the mail outside the database."""

    def close(self) -> None:
        """End the connections."""
        self._session.close()

    def _refused(self, answer: http.Answer) -> AdapterError:
        status, why = answer.status, _reason(answer.body)
        said = f"{status}: {why}" if why else str(status)
        if status == 429:
            wait = answer.retry_after or self._until_reset(answer)
            return Transient(f"{_WHO} asks us to go slower ({said}).", wait, reach=Reach.ALL, is_rate=True)
        if status == 503:
            return Transient(f"{_WHO} is busy ({said}).", answer.retry_after, reach=Reach.ALL)
        if status in {401, 402}:
            return NotAllowed(f"{_WHO} refused our key, or the account is used up ({said}).")
        if status == 403:
            return NotAllowed(f"{_WHO} does not let this sender send ({said}). Verify its domain there.", reach=Reach.SHOP)
        if status >= 500 or status < 300 or status == 408:
            return Ambiguous(f"{_WHO} gave no usable answer ({said}).")
        hint = " Correct CARTWHEEL_SENDGRID_API_BASE: that is a redirect." if status < 400 else ""
        return Permanent(f"{_WHO} did not accept the mail ({said}).{hint}")

    def _until_reset(self, answer: http.Answer) -> timedelta | None:
        """Read when the rate limit ends (UNIX seconds)."""
        reset = answer.headers.get("x-ratelimit-reset", "")
        return http.seconds(float(reset) - self._now().timestamp()) if reset.isdigit() else None


def _reason(body: object) -> str:
    """Return SendGrid's own words, one line, without addresses."""
    words = [str(http.dig(body, "errors", 0, part) or "") for part in ("field", "message")]
    said = " ".join(" ".join(words).split())
    return re.sub(r"\S+@\S+", "(address)", said)[:_LONGEST_REASON]
