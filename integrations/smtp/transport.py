"""Sends over SMTP, with connections that are kept, and knows by the phase of the dialogue what surely did not happen.

Until the final dot is written nothing can have been accepted. Whoever hears no answer after it does not know (D7).
Source: RFC 5321, 4.2.5 and 4.5.3.2.
"""

import contextlib
import re
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from urllib.parse import unquote, urlsplit

from app.domain.errors import AdapterError, AddressRefused, Ambiguous, NotAllowed, Permanent, Reach, Transient
from app.domain.ports import Mail
from integrations.message import compose

SCHEMES = {"smtp": 25, "starttls": 587, "smtps": 465}  # with their usual ports; "smtp" is without TLS
TIMEOUT = 20.0  # seconds, for each step of the dialogue
MAILS_PER_CONNECTION = 100
CONNECTION_LIFE = 60.0  # seconds since it was opened; many servers drop an idle one after a minute
_LONGEST_REASON = 200  # characters
_WHO = "The SMTP server"


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed over, and as whom. Never logged: it holds a password."""

    scheme: str
    host: str
    port: int
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Server({self.scheme}://{self.host}:{self.port})"


def read_url(url: str) -> Server:
    """Read `starttls://user:password@host:587`, `smtps://...`, or `smtp://host:25`.

    Raises:
        ValueError: it is none; the message does not quote it.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError("must be starttls://user:password@host:port, smtps://..., or smtp://... (without TLS)")
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or SCHEMES[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


class SmtpTransport:
    """A way out for mail over SMTP.

    Args:
        url: the server, as `read_url` reads it.
        now: read once per mail, for its Date.
        context: how certificates are checked; the machine's own list when None.
    """

    def __init__(self, url: str, now: Callable[[], datetime], context: ssl.SSLContext | None = None) -> None:
        self._server = read_url(url)
        self._now = now
        self._context = context
        self._idle: list[_Line] = []
        self._lock = Lock()

    def send(self, mail: Mail) -> str:
        """Hand the mail over and return our own id for it: SMTP has none.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """
        message = compose(mail, sent_at=self._now())
        line = self._take()
        try:
            line.hand_over(mail.return_path or mail.from_email, mail.to_email, message)
        except AdapterError:  # a refused recipient is no reason to open a new line
            self._give_back(line)
            raise
        except BaseException:  # nobody knows where in the dialogue it stopped
            line.is_usable = False
            line.close()
            raise
        self._give_back(line)
        return f"smtp-{mail.key}"

    def was_sent(self, key: str) -> bool | None:  # noqa: ARG002  (a mail server cannot be asked)
        """Say that nobody knows."""
        return None

    def forget(self, key: str) -> None:
        """Do nothing: we keep nothing of the mail outside the database."""

    def close(self) -> None:
        """End the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def _take(self) -> "_Line":
        """Return a line that still answers, an old one or a new one."""
        while True:
            with self._lock:
                line = self._idle.pop() if self._idle else None
            if line is None:
                return _Line(self._server, self._context)
            if line.is_alive():
                return line
            line.close()

    def _give_back(self, line: "_Line") -> None:
        if line.is_usable:
            with self._lock:
                self._idle.append(line)
        else:
            line.close()


class _Line:
    """One connection, signed in."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._opened_at = time.monotonic()
        self._mails = 0
        self.is_usable = True
        try:
            self._smtp = _connect(server, context)
        except smtplib.SMTPAuthenticationError as exc:
            # 454 is "not now" (RFC 4954, 6); every other answer is a refusal.
            if exc.smtp_code == 454:
                raise Transient(f"{_WHO} cannot sign us in now (454).", reach=Reach.ALL) from None
            raise NotAllowed(f"{_WHO} refused our name or password ({exc.smtp_code}).") from None
        except smtplib.SMTPNotSupportedError:
            raise NotAllowed(f"{_WHO} offers no TLS, or no way to sign in that we know.") from None
        except ssl.SSLCertVerificationError:
            raise NotAllowed(f"{_WHO} shows a certificate that cannot be trusted.") from None
        except (smtplib.SMTPException, OSError) as exc:
            raise Transient(f"{_WHO} could not be reached ({type(exc).__name__}).", reach=Reach.ALL) from None

    def is_alive(self) -> bool:
        """Ask the server whether it still listens; an old line is given up."""
        if self._mails >= MAILS_PER_CONNECTION or time.monotonic() - self._opened_at > CONNECTION_LIFE:
            return False
        try:
            return self._smtp.rset()[0] == 250
        except (smtplib.SMTPException, OSError):
            return False

    def hand_over(self, sender: str, recipient: str, message: bytes) -> None:
        """Go through the dialogue of one mail.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """
        self._mails += 1
        self._before_data(sender, recipient)
        try:
            self._smtp.send(smtplib._quote_periods(message) + b".\r\n")  # type: ignore[attr-defined]  # noqa: SLF001
        except (smtplib.SMTPException, OSError) as exc:
            # The end of the message never left this machine.
            raise self._broken(exc) from None
        try:
            code, text = self._smtp.getreply()
        except (smtplib.SMTPException, OSError) as exc:
            self.is_usable = False
            raise Ambiguous(f"{_WHO} did not say whether it took the mail ({type(exc).__name__}).") from None
        if code != 250:
            raise self._refused(code, text, "the mail")

    def close(self) -> None:
        """Take leave, if the server still listens."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if self.is_usable:
                self._smtp.quit()
        self._smtp.close()

    def _before_data(self, sender: str, recipient: str) -> None:
        try:
            code, text = self._smtp.mail(sender)
            if code != 250:
                error = self._refused(code, text, "the sender")
                if isinstance(error, Permanent):
                    raise NotAllowed(f"{error} Allow it there.", reach=Reach.SHOP)
                raise error
            code, text = self._smtp.rcpt(recipient)
            if code not in {250, 251}:
                raise self._refused(code, text, "the recipient")
            code, text = self._smtp.docmd("DATA")
            if code != 354:
                raise self._refused(code, text, "the mail")
        except (smtplib.SMTPException, OSError) as exc:
            raise self._broken(exc) from None

    def _refused(self, code: int, text: bytes, what: str) -> AdapterError:
        """Return the error of an answer, and leave the line ready for the next mail."""
        said = _reason(text)
        if code == 421:
            self.is_usable = False
            return Transient(f"{_WHO} is closing ({said}).", reach=Reach.ALL)
        if not 400 <= code < 600:
            self.is_usable = False
            return Ambiguous(f"{_WHO} answered {code} to {what}, which means nothing.")
        if code < 500:
            return Transient(f"{_WHO} does not take {what} now ({code} {said}).")
        if what == "the recipient" and (code, said[:5]) in {(550, "5.1.1"), (550, "5.1.0"), (553, "5.1.3")}:
            return AddressRefused(f"{_WHO} knows no such mailbox ({code} {said}).")
        return Permanent(f"{_WHO} refused {what} ({code} {said}).")

    def _broken(self, exc: Exception) -> AdapterError:
        self.is_usable = False
        return Transient(f"{_WHO} broke off before it had the mail ({type(exc).__name__}).", reach=Reach.ALL)


def _connect(server: Server, context: ssl.SSLContext | None) -> smtplib.SMTP:
    context = context or ssl.create_default_context()
    smtp: smtplib.SMTP
    if server.scheme == "smtps":
        smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT)
    try:
        if server.scheme == "starttls":
            smtp.starttls(context=context)
        if server.user:
            smtp.login(server.user, server.password)
        else:
            smtp.ehlo_or_helo_if_needed()
    except BaseException:
        smtp.close()
        raise
    return smtp


def _reason(text: bytes) -> str:
    """Return the server's words, one line, without addresses."""
    said = " ".join(text.decode("ascii", "replace").split())
    return re.sub(r"\S+@\S+", "(address)", said)[:_LONGEST_REASON]
