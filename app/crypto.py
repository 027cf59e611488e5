"""Secrets at rest, keyed hashes of addresses, and tokens."""

import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.config import settings
from app.domain.errors import CartwheelError

TOKEN_BYTES = 16  # 128 bits: nobody guesses one


class CannotDecrypt(CartwheelError):
    """A stored secret does not open with the keys of CARTWHEEL_SECRET_KEYS."""


def encrypt(shop_id: int, secret: str) -> bytes:
    """Encrypt a shop's secret with the first key. The shop is sealed in, so a row copied to another shop does not open."""
    return _fernet().encrypt(f"{shop_id}:{secret}".encode())


def decrypt(shop_id: int, sealed: bytes) -> str:
    """Open a shop's secret.

    Raises:
        CannotDecrypt: no key fits, or it was sealed for another shop.
    """
    try:
        owner, _, secret = _fernet().decrypt(sealed).decode().partition(":")
    except InvalidToken as exc:
        raise CannotDecrypt(
            "A stored secret does not open. Put the key that sealed it back into CARTWHEEL_SECRET_KEYS."
        ) from exc
    if owner != str(shop_id):
        raise CannotDecrypt("A stored secret belongs to another shop.")
    return secret


def derive(purpose: str) -> bytes:
    """Derive 32 bytes from the first secret key for one purpose (RFC 5869), such as signing session cookies."""
    return HKDF(hashes.SHA256(), 32, salt=None, info=f"cartwheel:{purpose}".encode()).derive(
        settings().secret_keys[0].encode()
    )


def hash_email(hash_key: bytes, email: str) -> bytes:
    """Return the keyed hash that an address is remembered by (32 bytes); only this shop's key gives it."""
    return hmac.digest(hash_key, email.encode(), "sha256")


def hash_key(shop_id: int, sealed: bytes) -> bytes:
    """Open the key of a shop's address hashes."""
    return bytes.fromhex(decrypt(shop_id, sealed))


def hash_token(token: str) -> bytes:
    """Return what is stored of a token that was handed out."""
    return hashlib.sha256(token.encode()).digest()


def new_token() -> str:
    """Make an unguessable token of 22 URL-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


@lru_cache(maxsize=1)
def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_fernet_key(k)) for k in settings().secret_keys])


def _fernet_key(secret_key: str) -> bytes:
    """Stretch a setting of any length into Fernet's 32 bytes; the setting is random already, so one hash will do."""
    import base64

    return base64.urlsafe_b64encode(hashlib.sha256(b"cartwheel:fernet:" + secret_key.encode()).digest())
