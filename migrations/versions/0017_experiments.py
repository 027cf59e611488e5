"""Experiments: what treated and held-out people of a flow spent, so that the money page reads a few rows."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"


def upgrade() -> None:
    sums = [
        sa.Column(f"{group}_{what}", kind, nullable=False)
        for group in ("treated", "held")
        for what, kind in (
            ("people", sa.Integer()), ("buyers", sa.Integer()), ("minor", sa.BigInteger()), ("squares", sa.Double()),
        )
    ]  # fmt: skip
    op.create_table(
        "experiments",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        *sums,
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_experiments_flow", "experiments", ["shop_id", "flow"], unique=True)
    op.execute("ALTER TABLE experiments ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON experiments TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT ON experiments TO {ROLE}")


def downgrade() -> None:
    op.drop_table("experiments")
