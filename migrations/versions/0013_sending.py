"""What holds sending back: pauses after a refusal, and the meter of each shop. Locks nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
TABLES = ("pauses", "meters")


def _key() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "pauses",
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("is_refusal", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=False),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_pauses_shop", "pauses", ["shop_id"], unique=True)
    op.create_table(
        "meters",
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_meters_shop", "meters", ["shop_id"], unique=True)
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
        op.execute(f"GRANT SELECT ON {table} TO {ROLE}")


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
