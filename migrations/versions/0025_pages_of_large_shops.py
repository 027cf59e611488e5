"""Pages of shops with very many rows: what was looked for without an index, or past one.

Locks: the two columns of customers rewrite that table while nobody writes it; 10 million customers take about two minutes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Row-level security keeps lower() and LIKE away from an index; a column that is lowered already, it does not.
    for name in ("first", "last"):
        op.drop_index(f"ix_customers_{name}_name", "customers")
    op.execute(
        "ALTER TABLE customers ADD COLUMN first_lowered text GENERATED ALWAYS AS (lower(first_name)) STORED, "
        "ADD COLUMN last_lowered text GENERATED ALWAYS AS (lower(last_name)) STORED"
    )
    for name in ("first", "last"):
        op.execute(f"CREATE INDEX ix_customers_{name}_name ON customers (shop_id, {name}_lowered text_pattern_ops)")
    # The desk finds a webhook by a word, shop by shop. Shopify's webhooks are found by their dedupe key already.
    op.create_index(
        "ix_webhooks_delivery", "webhooks", ["shop_id", "delivery_id"], postgresql_where=sa.text("delivery_id <> dedupe_key")
    )
    op.create_index("ix_orders_number", "orders", ["shop_id", "number"])
    # The newest runs of a person. Whether one is active is seen in its row: few have many.
    op.drop_index("ix_enrollments_customer", "enrollments")
    op.create_index("ix_enrollments_customer", "enrollments", ["shop_id", "customer_id", "id"])
    # The proof asked for mails of a day or without a claim, and so read all that were never claimed.
    op.drop_index("ix_deliveries_claimed", "deliveries")
    op.execute("CREATE INDEX ix_deliveries_proved ON deliveries USING brin (coalesce(claimed_at, created_at))")


def downgrade() -> None:
    op.drop_index("ix_deliveries_proved", "deliveries")
    op.create_index("ix_deliveries_claimed", "deliveries", ["claimed_at"], postgresql_using="brin")
    op.drop_index("ix_enrollments_customer", "enrollments")
    op.create_index("ix_enrollments_customer", "enrollments", ["shop_id", "customer_id", "state"])
    op.drop_index("ix_orders_number", "orders")
    op.drop_index("ix_webhooks_delivery", "webhooks")
    for name in ("first", "last"):
        op.drop_index(f"ix_customers_{name}_name", "customers")
    op.drop_column("customers", "first_lowered")
    op.drop_column("customers", "last_lowered")
    for name in ("first", "last"):
        op.execute(f"CREATE INDEX ix_customers_{name}_name ON customers (shop_id, lower({name}_name) text_pattern_ops)")
