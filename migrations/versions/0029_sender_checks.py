"""What the DNS said last of each shop's sender domain; shops that are there already are looked at soon."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"


def upgrade() -> None:
    op.create_table(
        "sender_checks",
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("domain", sa.Text(), nullable=True),
        sa.Column("records", JSONB(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_sender_checks_shop", "sender_checks", ["shop_id"], unique=True)
    op.create_index("ix_sender_checks_due", "sender_checks", ["due_at"])
    op.execute("INSERT INTO sender_checks (shop_id) SELECT id FROM shops WHERE id > 0")
    op.execute("ALTER TABLE sender_checks ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON sender_checks TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON sender_checks TO {ROLE}")


def downgrade() -> None:
    op.drop_table("sender_checks")
