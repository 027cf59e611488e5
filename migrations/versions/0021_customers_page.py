"""The customers page finds people by the beginning of an address or a name; which order redeemed a coupon.

Locks: the indexes are built while their tables take no writes; 10 million customers take about half a minute.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # text_pattern_ops: with it a LIKE 'begins%' walks the index, whatever the collation of the database.
    op.execute(
        "CREATE INDEX ix_customer_identities_prefix ON customer_identities (shop_id, value text_pattern_ops) "
        "WHERE kind = 'email'"
    )
    for name in ("first_name", "last_name"):
        op.execute(f"CREATE INDEX ix_customers_{name} ON customers (shop_id, lower({name}) text_pattern_ops)")
    op.create_index("ix_coupons_shop_state", "coupons", ["shop_id", "state", "id"])
    op.add_column("coupons", sa.Column("order_external_id", sa.Text(), nullable=True))
    # Orders credited by their coupon so far; from now on it is written as orders are credited.
    op.execute(
        "UPDATE coupons c SET order_external_id = a.order_external_id FROM attributions a "
        "JOIN deliveries d ON d.shop_id = a.shop_id AND d.id = a.delivery_id "
        "WHERE a.rule = 'coupon' AND c.shop_id = d.shop_id AND c.enrollment_id = d.enrollment_id AND c.step = d.step"
    )
    op.create_index(
        "ix_coupons_redeemed", "coupons", ["shop_id", "id"], postgresql_where=sa.text("order_external_id IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_column("coupons", "order_external_id")
    op.drop_index("ix_coupons_shop_state", "coupons")
    for name in ("first_name", "last_name"):
        op.drop_index(f"ix_customers_{name}", "customers")
    op.drop_index("ix_customer_identities_prefix", "customer_identities")
