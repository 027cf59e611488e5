"""When a purchase, a consent and a send-claim came to stand, by the bare clock: what the nightly proof compares.

Locks: adding a column without a value and then its default takes a moment, whatever the size; the
BRIN index takes seconds for 10 million mails, which wait meanwhile. Older rows stay without.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_MARKED = {"purchase_marks": "marked_at", "consents": "recorded_at"}


def upgrade() -> None:
    for table, column in _MARKED.items():
        op.add_column(table, sa.Column(column, sa.DateTime(timezone=True), nullable=True))
        op.alter_column(table, column, server_default=sa.text("clock_timestamp()"))
    op.add_column("deliveries", sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_deliveries_claimed", "deliveries", ["claimed_at"], postgresql_using="brin")


def downgrade() -> None:
    op.drop_index("ix_deliveries_claimed", table_name="deliveries")
    op.drop_column("deliveries", "claimed_at")
    for table, column in _MARKED.items():
        op.drop_column(table, column)
