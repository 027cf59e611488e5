"""Answers to a mail's question, tags that a shop is to give or take, and who is unhappy.

Locks: the index on deliveries is built while the table takes no writes; 10 million rows take some seconds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
# A merchant settles a complaint; what was answered is the shopper's.
RIGHTS = {"tag_writes": "SELECT", "answers": "SELECT, UPDATE"}


def _key() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    ]


def upgrade() -> None:
    op.create_table(
        "tag_writes",
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
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
    waiting, leased = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_tag_writes_due", "tag_writes", ["due_at"], postgresql_where=sa.text(waiting))
    op.create_index("ix_tag_writes_lease", "tag_writes", ["lease_until"], postgresql_where=sa.text(leased))
    op.create_index("ix_tag_writes_customer", "tag_writes", ["shop_id", "customer_id", "id"])
    op.create_table(
        "answers",
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.SmallInteger(), nullable=False),
        sa.Column("is_low", sa.Boolean(), nullable=False),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Text(), nullable=True),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_answers_delivery", "answers", ["shop_id", "delivery_id"], unique=True)
    op.create_index("ix_answers_enrollment", "answers", ["shop_id", "enrollment_id"])
    op.create_index("ix_answers_customer", "answers", ["shop_id", "customer_id"])
    is_open = sa.text("is_low AND settled_at IS NULL")
    op.create_index("ix_answers_open", "answers", ["shop_id", "id"], postgresql_where=is_open)
    op.add_column("customers", sa.Column("unhappy_since", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_deliveries_customer", "deliveries", ["shop_id", "customer_id", "id"])
    for table, rights in RIGHTS.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY tenant ON {table} TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
        op.execute(f"GRANT {rights} ON {table} TO {ROLE}")


def downgrade() -> None:
    op.drop_index("ix_deliveries_customer", "deliveries")
    op.drop_column("customers", "unhappy_since")
    for table in reversed(RIGHTS):
        op.drop_table(table)
