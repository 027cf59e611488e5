"""How healthy each shop's mail was, week by week."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"


def upgrade() -> None:
    counts = ("sent", "delivered", "bounced", "soft_bounced", "complained", "unsubscribed")
    op.create_table(
        "hygiene_weeks",
        sa.Column("week_on", sa.Date(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in counts),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_hygiene_weeks_week", "hygiene_weeks", ["shop_id", "week_on"], unique=True)
    op.execute("ALTER TABLE hygiene_weeks ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON hygiene_weeks TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT ON hygiene_weeks TO {ROLE}")


def downgrade() -> None:
    op.drop_table("hygiene_weeks")
