"""What became of mails: events of providers, how far a mail has come, and suppressions that end.

Locks: columns without a value are changes of the catalogue alone; the index on `provider_id` is built while no mail is
written, some seconds for 10 million mails.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("progress", sa.Text(), nullable=True))
    op.add_column("suppressions", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    given = sa.text("provider_id IS NOT NULL")
    op.create_index("ix_deliveries_provider", "deliveries", ["provider_id"], unique=False, postgresql_where=given)
    op.create_table(
        "delivery_events",
        sa.Column("delivery_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_soft", sa.Boolean(), nullable=False),
        sa.Column("is_machine", sa.Boolean(), nullable=False),
        sa.Column("dedupe_key", sa.LargeBinary(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("email_hash", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["shop_id", "delivery_id"], ["deliveries.shop_id", "deliveries.id"], name="fk_delivery_events_delivery"
        ),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_delivery_events_key", "delivery_events", ["shop_id", "dedupe_key"], unique=True)
    told = sa.text("event_id IS NOT NULL")
    op.create_index(
        "uq_delivery_events_theirs", "delivery_events", ["shop_id", "event_id"], unique=True, postgresql_where=told
    )
    op.create_index("ix_delivery_events_delivery", "delivery_events", ["shop_id", "delivery_id"])
    op.create_index("ix_delivery_events_address", "delivery_events", ["shop_id", "email_hash", "happened_at"])
    op.create_index("ix_delivery_events_recorded", "delivery_events", ["recorded_at"], postgresql_using="brin")
    op.execute("ALTER TABLE delivery_events ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON delivery_events TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT ON delivery_events TO {ROLE}")


def downgrade() -> None:
    op.drop_table("delivery_events")
    op.drop_index("ix_deliveries_provider", table_name="deliveries")
    op.drop_column("suppressions", "expires_at")
    op.drop_column("deliveries", "progress")
