"""How a WooCommerce shop is connected: the attempts to do so, and what is known of the connection afterwards."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Claimable, ShopRow, claim_indexes


class Phase(StrEnum):
    """How far an attempt is. What the merchant does is awaited in `approving`; a job does the rest."""

    CHECKING = "checking"  # is there a shop at the address
    APPROVING = "approving"  # there is; its keys are awaited
    PROVING = "proving"  # keys came; are they this shop's
    LINKING = "linking"  # they are; its webhooks are made
    CONNECTED = "connected"
    STOPPED = "stopped"  # something is wrong, in `problem`


class OAuthState(ShopRow, Claimable, Base):
    """One attempt to connect a shop, under shop 0: it may come to nothing. Its token is kept as a hash and works once.

    `state` of the claim: pending (a job has work), waiting (a person has), done. `keys` are sealed and go once proven.
    """

    __tablename__ = "oauth_states"
    __table_args__ = (
        Index("uq_oauth_states_token", "shop_id", "token_hash", unique=True),
        Index("ix_oauth_states_url", "shop_id", "url", "created_at"),
        *claim_indexes("oauth_states"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    url: Mapped[str]
    phase: Mapped[str]
    problem: Mapped[str | None]
    instead: Mapped[str | None]  # the address that the shop gave for its own
    front: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    keys: Mapped[bytes | None] = mapped_column(LargeBinary)
    connected_shop_id: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]  # when keys came; no second ones are taken


class Connection(ShopRow, Claimable, Base):
    """What is known of a connected shop. `due_at` is when it is looked at again; the state is always pending.

    `senders` mail about carts as well. `problem` is what is wrong with the connection, in words, until it is not.
    """

    __tablename__ = "connections"
    __table_args__ = (
        Index("uq_connections_shop", "shop_id", unique=True),
        *claim_indexes("connections"),
    )

    version: Mapped[str | None]  # of WooCommerce
    wordpress: Mapped[str | None]
    companion: Mapped[str | None]  # the companion plugin's version
    senders: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    looked_at: Mapped[datetime | None]
    hooked_at: Mapped[datetime | None]  # when all webhooks were in order last
    # Those in the shop are of a connection that ended: they sign with a secret that went with it.
    hooks_are_stale: Mapped[bool] = mapped_column(server_default=text("false"))
    pinged_at: Mapped[datetime | None]  # when the shop last tried our address, as it does with each new webhook
    problem: Mapped[str | None]
    problem_at: Mapped[datetime | None]


class Doubt(ShopRow, Claimable, Base):
    """Something that a shop said is gone, to be asked for before it is believed. The row goes when it was."""

    __tablename__ = "doubts"
    __table_args__ = (
        Index("uq_doubts_object", "shop_id", "kind", "external_id", unique=True),
        *claim_indexes("doubts"),
    )

    kind: Mapped[str]
    external_id: Mapped[str]
    told_at: Mapped[datetime]
