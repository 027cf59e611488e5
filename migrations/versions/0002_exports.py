"""Answers to requests for one's data, erasures that are under way, and the keyed hashes of what was forgotten.

Locks: the two BRIN indexes are built while their tables take no writes; a table of 10 million rows takes some seconds.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
# A merchant may ask for an export; what is erased and what was forgotten is our business, to be seen and not touched.
RIGHTS = {"exports": "SELECT, INSERT, UPDATE, DELETE", "erasures": "SELECT", "forgotten": "SELECT"}


def _key() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=True),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_exports_webhook", "exports", ["shop_id", "webhook_id"], unique=True)
    op.create_index("ix_exports_customer", "exports", ["shop_id", "customer_id", "id"], unique=False)
    op.create_table(
        "forgotten",
        sa.Column("identity_hash", sa.LargeBinary(), nullable=False),
        sa.Column("forgotten_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_suppressed", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_forgotten_identity", "forgotten", ["shop_id", "identity_hash"], unique=True)
    op.create_table(
        "erasures",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("webhook_id", sa.BigInteger(), nullable=True),
        sa.Column("traces", sa.LargeBinary(), nullable=True),
        sa.Column("mail_ids", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("swept_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("until_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("found", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        *_key(),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_erasures_webhook", "erasures", ["shop_id", "webhook_id"], unique=True)
    waiting, taken = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_erasures_due", "erasures", ["due_at"], postgresql_where=sa.text(waiting))
    op.create_index("ix_erasures_lease", "erasures", ["lease_until"], postgresql_where=sa.text(taken))
    op.create_index("ix_webhooks_received", "webhooks", ["received_at"], unique=False, postgresql_using="brin")
    op.create_index("ix_decisions_decided", "decisions", ["decided_at"], unique=False, postgresql_using="brin")
    for table, rights in RIGHTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
        op.execute(f"GRANT {rights} ON {table} TO {ROLE}")


def downgrade() -> None:
    op.drop_index("ix_decisions_decided", table_name="decisions")
    op.drop_index("ix_webhooks_received", table_name="webhooks")
    for table in RIGHTS:
        op.drop_table(table)
