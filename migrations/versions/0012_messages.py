"""Brand kits, texts that a shop wrote itself beside the version they belong to, and mails sent as a test.

Locks: a column with a constant default is a change of the catalogue alone.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
RIGHTS = {"brand_kits": "SELECT, INSERT, UPDATE", "test_mails": "SELECT, INSERT"}


def _key() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    ]


def upgrade() -> None:
    json = postgresql.JSONB(astext_type=sa.Text())
    op.add_column("flow_versions", sa.Column("texts", json, server_default=sa.text("'{}'"), nullable=False))
    op.create_table(
        "brand_kits",
        sa.Column("kit", json, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_brand_kits_shop", "brand_kits", ["shop_id"], unique=True)
    op.create_table(
        "test_mails",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("checkout_id", sa.BigInteger(), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
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
    waiting, taken = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_test_mails_due", "test_mails", ["due_at"], postgresql_where=sa.text(waiting))
    op.create_index("ix_test_mails_lease", "test_mails", ["lease_until"], postgresql_where=sa.text(taken))
    op.create_index("ix_test_mails_created", "test_mails", ["shop_id", "created_at"])
    for table, rights in RIGHTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
        op.execute(f"GRANT {rights} ON {table} TO {ROLE}")


def downgrade() -> None:
    for table in RIGHTS:
        op.drop_table(table)
    op.drop_column("flow_versions", "texts")
