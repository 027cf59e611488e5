"""Writes each mail to a file of its own, at most once per key."""

import contextlib
import os
import re
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from app.domain.errors import Permanent, Transient
from app.domain.ports import Mail
from integrations.message import compose


class OutboxTransport:
    """A way out for mail that ends in a folder.

    Args:
        directory: made when the first mail is sent.
        now: read once per mail, for its Date.
    """

    def __init__(self, directory: Path, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._now = now

    def send(self, mail: Mail) -> str:
        """Write the mail to `<key>.eml` and return our id for it; a mail that is there already is not written again.

        Raises:
            Permanent: the mail cannot be written as a message, or its key as a file name.
            Transient: the disk is full or the folder cannot be written to.
        """
        path = self._path(mail.key)
        try:
            if not path.exists():
                self._write_once(path, compose(mail, sent_at=self._now()))
        except OSError as exc:
            raise Transient(f"The outbox cannot be written to ({os.strerror(exc.errno or 0)}).") from exc
        return f"outbox-{mail.key}"

    def was_sent(self, key: str) -> bool | None:
        """Say whether the mail is there; None when the folder cannot be read.

        Raises:
            Permanent: the key is none.
        """
        try:
            return self._path(key).exists()
        except OSError:
            return None

    def forget(self, key: str) -> None:
        """Delete the file of the mail; one that is not there is as good.

        Raises:
            Permanent: the key is none.
            Transient: the folder cannot be written to.
        """
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as exc:
            raise Transient(f"The outbox cannot be written to ({os.strerror(exc.errno or 0)}).") from exc

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, key: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", key):
            raise Permanent("The mail's key cannot be a file name.")
        return self._directory / f"{key}.eml"

    def _write_once(self, path: Path, content: bytes) -> None:
        """Give the file its name only when it is whole and on the disk.

        A link fails when the name is taken, a rename would not: of two writers the first wins.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=self._directory, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, path)
        finally:
            Path(unfinished).unlink(missing_ok=True)
        self._sync_directory()

    def _sync_directory(self) -> None:
        handle = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
