"""What shoppers answer to mails. Locks nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"


def upgrade() -> None:
    op.create_table(
        "replies",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("message_key", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("is_automatic", sa.Boolean(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_replies_delivery"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_replies_message", "replies", ["shop_id", "message_key"], unique=True)
    op.create_index("ix_replies_customer", "replies", ["shop_id", "customer_id", "id"])
    op.create_index("ix_replies_delivery", "replies", ["shop_id", "delivery_id"])
    op.execute("ALTER TABLE replies ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON replies TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT ON replies TO {ROLE}")


def downgrade() -> None:
    op.drop_table("replies")
