"""Attempts to connect a WooCommerce shop, and what is known of the connection afterwards."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
NOW_OR_NULL = sa.DateTime(timezone=True)


def _claimable() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", NOW_OR_NULL, nullable=False),
        sa.Column("lease_until", NOW_OR_NULL, nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
    ]


def upgrade() -> None:
    op.create_table(
        "oauth_states",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("instead", sa.Text(), nullable=True),
        sa.Column("front", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("keys", sa.LargeBinary(), nullable=True),
        sa.Column("connected_shop_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", NOW_OR_NULL, nullable=False),
        sa.Column("expires_at", NOW_OR_NULL, nullable=False),
        sa.Column("used_at", NOW_OR_NULL, nullable=True),
        *_claimable(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_oauth_states_token", "oauth_states", ["shop_id", "token_hash"], unique=True)
    op.create_index("ix_oauth_states_url", "oauth_states", ["shop_id", "url", "created_at"])
    op.create_table(
        "connections",
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("wordpress", sa.Text(), nullable=True),
        sa.Column("companion", sa.Text(), nullable=True),
        sa.Column("senders", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("looked_at", NOW_OR_NULL, nullable=True),
        sa.Column("hooked_at", NOW_OR_NULL, nullable=True),
        sa.Column("pinged_at", NOW_OR_NULL, nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("problem_at", NOW_OR_NULL, nullable=True),
        *_claimable(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_connections_shop", "connections", ["shop_id"], unique=True)
    waiting, taken = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    for table in ("oauth_states", "connections"):
        op.create_index(f"ix_{table}_due", table, ["due_at"], postgresql_where=sa.text(waiting))
        op.create_index(f"ix_{table}_lease", table, ["lease_until"], postgresql_where=sa.text(taken))
    # A merchant reads how the connection is; attempts hold keys and belong to nobody yet, so they are closed altogether.
    op.execute("ALTER TABLE connections ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON connections TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT ON connections TO {ROLE}")


def downgrade() -> None:
    op.drop_table("connections")
    op.drop_table("oauth_states")
