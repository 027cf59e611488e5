"""Every setting there is, read from the environment once; a bad one stops the start and names itself."""

import base64
import os
import re
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.errors import CartwheelError
from app.domain.people import normalise_email

INSECURE_KEY = "change-me"
SHOPIFY_ADMIN_URL = "https://admin.shopify.com"
# Shopify's review wants its own copy, which also measures how fast our pages are.
SHOPIFY_APP_BRIDGE_URL = "https://cdn.shopify.com/shopifycloud/app-bridge.js"
_LOOPBACK = ("http://127.0.0.1", "http://localhost")
_KEY_BYTES = 91  # of a P-256 public key as DER


class Environment(StrEnum):
    """Where the process runs."""

    PRODUCTION = "production"
    DEVELOPMENT = "development"
    TEST = "test"


class Transport(StrEnum):
    """The ways out for mail; with the outbox nothing leaves the machine."""

    SENDGRID = "sendgrid"
    SMTP = "smtp"
    OUTBOX = "outbox"


class LogFormat(StrEnum):
    """How log lines look."""

    JSON = "json"
    CONSOLE = "console"


class BadSetting(CartwheelError):
    """A setting is wrong or missing; the message names it and says what to do."""


class Settings(BaseSettings):
    """The settings, each with its environment variable (`docs/operating.md` explains them)."""

    model_config = SettingsConfigDict(env_prefix="CARTWHEEL_", extra="ignore")

    env: Environment = Environment.PRODUCTION
    database_url: str = Field(validation_alias=AliasChoices("DATABASE_URL"))
    redis_url: str = Field(validation_alias=AliasChoices("REDIS_URL"))
    port: int = Field(default=8000, ge=1, le=65535, validation_alias=AliasChoices("PORT"))
    host: str = "127.0.0.1"
    public_url: str
    secret_keys: Annotated[list[str], NoDecode]
    data_dir: Path = Path("var")
    shopify_client_id: str = ""
    shopify_client_secret: str = ""
    shopify_client_secret_old: str = ""
    shopify_api_base: str = ""
    shopify_admin_url: str = SHOPIFY_ADMIN_URL
    shopify_app_bridge_url: str = SHOPIFY_APP_BRIDGE_URL
    mail_transport: Transport = Transport.OUTBOX
    mail_allowlist: str = ""
    staff_sender: str = ""  # links to the desk come from there; empty: they are not mailed
    mail_threads: int = Field(default=16, ge=1, le=64)
    mail_shop_rate: int = Field(default=100, ge=0, le=10_000)
    sendgrid_api_key: str = ""
    sendgrid_api_base: str = "https://api.sendgrid.com"
    sendgrid_event_public_key: str = ""
    smtp_url: str = ""
    inbound_domain: str = ""
    inbound_secret: str = ""
    allow_loopback_shops: bool = False
    proxies: int = Field(default=0, ge=0, le=5)
    log_format: LogFormat = LogFormat.JSON
    lease_seconds: int = Field(default=60, ge=5, le=600)
    demo_shops_url: str = ""

    @field_validator("database_url")
    @classmethod
    def _use_psycopg(cls, url: str) -> str:
        """Accept the conventional schemes; SQLAlchemy must be told the driver."""
        scheme, sep, rest = url.partition("://")
        if not sep or scheme not in {"postgres", "postgresql", "postgresql+psycopg"}:
            raise ValueError("must begin with postgresql:// (PostgreSQL 14 or newer is the one database)")
        return f"postgresql+psycopg://{rest}"

    @field_validator("redis_url")
    @classmethod
    def _known_redis_scheme(cls, url: str) -> str:
        if not url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("public_url", "sendgrid_api_base")
    @classmethod
    def _absolute_url(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("must be an address that begins with https://, such as https://mail.example.com")
        return url.rstrip("/")

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return [k.strip() for k in value.split(",") if k.strip()] if isinstance(value, str) else value

    @field_validator("secret_keys")
    @classmethod
    def _strong_keys(cls, keys: list[str]) -> list[str]:
        if not keys:
            raise ValueError("needs at least one key; make one with: cartwheel keys new")
        if any(len(k) < 32 or INSECURE_KEY in k for k in keys):
            raise ValueError("each key needs 32 or more random characters; make one with: cartwheel keys new")
        return keys

    @field_validator("staff_sender")
    @classmethod
    def _address(cls, sender: str) -> str:
        if sender and normalise_email(sender) != sender:
            raise ValueError("must be an e-mail address in small letters, such as desk@example.com")
        return sender

    @field_validator("mail_allowlist")
    @classmethod
    def _pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"must be a regular expression of whole addresses ({exc.msg})") from exc
        return pattern

    @field_validator("sendgrid_event_public_key")
    @classmethod
    def _event_key(cls, key: str) -> str:
        """Accept what SendGrid shows: base64 of a P-256 public key, without the lines around it."""
        try:
            assert not key or len(base64.b64decode(key, validate=True)) == _KEY_BYTES  # noqa: S101
        except (ValueError, AssertionError) as exc:
            raise ValueError("must be the verification key of SendGrid's event webhook settings, in one line") from exc
        return key

    @field_validator("smtp_url")
    @classmethod
    def _smtp_server(cls, url: str) -> str:
        if url and not re.fullmatch(r"(smtp|smtps|starttls)://[^/?#\s]+/?", url):
            raise ValueError("must be starttls://user:password@host:port, smtps://..., or smtp://... (without TLS)")
        return url

    @field_validator("inbound_domain")
    @classmethod
    def _host_name(cls, domain: str) -> str:
        if domain and not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain):
            raise ValueError(
                "must be a host name in small letters whose MX leads to the inbound door, such as in.example.com"
            )
        return domain

    @field_validator("inbound_secret")
    @classmethod
    def _long_secret(cls, secret: str) -> str:
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{32,200}", secret):
            raise ValueError("needs 32 or more letters and digits; make one with: cartwheel keys new")
        return secret

    @model_validator(mode="after")
    def _whole_way_out(self) -> "Settings":
        if self.mail_transport is Transport.SENDGRID and not self.sendgrid_api_key:
            raise ValueError("CARTWHEEL_SENDGRID_API_KEY is not set, and CARTWHEEL_MAIL_TRANSPORT is sendgrid")
        if self.mail_transport is Transport.SMTP and not self.smtp_url:
            raise ValueError("CARTWHEEL_SMTP_URL is not set, and CARTWHEEL_MAIL_TRANSPORT is smtp")
        if bool(self.inbound_domain) != bool(self.inbound_secret):
            raise ValueError("CARTWHEEL_INBOUND_DOMAIN and CARTWHEEL_INBOUND_SECRET belong together: set both or none")
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> "Settings":
        if self.env is not Environment.PRODUCTION:
            return self
        if not self.public_url.startswith("https://"):
            raise ValueError("CARTWHEEL_PUBLIC_URL must begin with https:// in production")
        if self.allow_loopback_shops:
            raise ValueError("CARTWHEEL_ALLOW_LOOPBACK_SHOPS is for tests; unset it in production")
        if (self.shopify_admin_url, self.shopify_app_bridge_url) != (SHOPIFY_ADMIN_URL, SHOPIFY_APP_BRIDGE_URL):
            raise ValueError("CARTWHEEL_SHOPIFY_ADMIN_URL and CARTWHEEL_SHOPIFY_APP_BRIDGE_URL are for tests; unset them")
        if self.demo_shops_url:
            raise ValueError("CARTWHEEL_DEMO_SHOPS_URL is for the demo; unset it in production")
        if self.mail_allowlist:
            raise ValueError("CARTWHEEL_MAIL_ALLOWLIST keeps mail from real people; unset it in production")
        if not self.sendgrid_api_base.startswith(("https://", *_LOOPBACK)):
            raise ValueError("CARTWHEEL_SENDGRID_API_BASE must begin with https:// in production")
        if self.smtp_url.startswith("smtp://") and not re.search(r"(//|@)(127\.0\.0\.1|localhost)(:|/|$)", self.smtp_url):
            raise ValueError("CARTWHEEL_SMTP_URL must begin with starttls:// or smtps:// in production")
        return self

    @property
    def shopify_secrets(self) -> list[str]:
        """The client secrets that a signature may be made with, the current one first."""
        return [s for s in (self.shopify_client_secret, self.shopify_client_secret_old) if s]

    def shopify_base_url(self, domain: str) -> str:
        """Return where a Shopify shop is called, without a trailing slash."""
        return self.shopify_api_base.replace("{shop}", domain) or f"https://{domain}"

    @property
    def spf_term(self) -> str:
        """What SPF must name for our way out; empty where no mail leaves."""
        match self.mail_transport:
            case Transport.SENDGRID:
                return "include:sendgrid.net"
            case Transport.SMTP:
                return f"a:{urlsplit(self.smtp_url).hostname}"
            case _:
                return ""

    @property
    def outbox_dir(self) -> Path:
        """Where the outbox transport writes its mails."""
        return self.data_dir / "outbox"


def load_settings(environ: dict[str, str] | None = None) -> Settings:
    """Read the settings.

    Raises:
        BadSetting: with one line for each setting that is wrong or missing, and the remedy.
    """
    if environ is not None:
        os.environ.update(environ)
    try:
        return Settings()
    except ValidationError as exc:
        raise BadSetting("\n".join(_explain(e) for e in exc.errors())) from exc


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process, read once."""
    return load_settings()


def _explain(error: Any) -> str:
    """Say which variable is wrong, without echoing its value: it may be a secret."""
    if not error["loc"]:
        return str(error["msg"]).removeprefix("Value error, ")
    field = str(error["loc"][0])
    name = field if field.isupper() else f"CARTWHEEL_{field.upper()}"
    if error["type"] == "missing":
        return f"{name} is not set. Set it, or start with script/demo, which sets everything (docs/operating.md)."
    return f"{name}: {str(error['msg']).removeprefix('Value error, ')}."
