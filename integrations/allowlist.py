"""Outside production, mail goes only to people on a list; everybody else's ends in the outbox."""

import re

from app.domain.ports import Mail, MailTransport


class AllowlistTransport:
    """A way out that is open for some and leads to the outbox for the others.

    Args:
        way_out: where mails to those on the list go.
        outbox: where the others' go.
        pattern: a regular expression that a whole address must match, in any case.
    """

    def __init__(self, way_out: MailTransport, outbox: MailTransport, pattern: str) -> None:
        self._way_out, self._outbox = way_out, outbox
        self._pattern = re.compile(pattern, re.IGNORECASE)

    def send(self, mail: Mail) -> str:
        """Hand the mail over to whom it belongs, and return the id from there.

        Raises:
            Transient, Ambiguous, Permanent, NotAllowed: as their names say.
        """
        return (self._way_out if self._pattern.fullmatch(mail.to_email) else self._outbox).send(mail)

    def was_sent(self, key: str) -> bool | None:
        """Say whether the mail is in the outbox; otherwise the other way is asked."""
        return self._outbox.was_sent(key) or self._way_out.was_sent(key)

    def forget(self, key: str) -> None:
        """Drop what either of them keeps of the mail."""
        self._outbox.forget(key)
        self._way_out.forget(key)

    def close(self) -> None:
        """End the connections of both."""
        self._outbox.close()
        self._way_out.close()
