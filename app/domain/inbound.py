"""The addresses that mail for us comes back to: bounces, replies, and people who unsubscribe by mail.

The token in front of the @ is a delivery's, as hexadecimal digits: some servers write addresses in small letters.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

_ADDRESS = re.compile(r"([bru])\+([0-9a-f]{32})@(.+)")


class Purpose(StrEnum):
    """Why somebody writes to us; the first letter of the address."""

    BOUNCE = "b"
    REPLY = "r"
    UNSUBSCRIBE = "u"


@dataclass(frozen=True, slots=True)
class Token:
    """What an address leads to."""

    purpose: Purpose
    token: bytes


def address(purpose: Purpose, token: bytes, domain: str) -> str:
    """Return the address for a delivery's token (16 bytes)."""
    return f"{purpose}+{token.hex()}@{domain}"


def read_address(text: str, domain: str) -> Token | None:
    """Return what an address leads to, None when it is not one of ours."""
    found = _ADDRESS.fullmatch(text.strip().lower().removeprefix("<").removesuffix(">"))
    if not found or found[3] != domain:
        return None
    return Token(Purpose(found[1]), bytes.fromhex(found[2]))
