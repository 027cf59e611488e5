"""Runs over orders and customers: a mail's class and priority, when a step was come to, and a shop's rules for its mail.

Locks: all columns have a constant default or none, so no table is rewritten.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deliveries", sa.Column("message_class", sa.Text(), server_default=sa.text("'marketing'"), nullable=False))
    op.add_column("deliveries", sa.Column("priority", sa.SmallInteger(), server_default=sa.text("3"), nullable=False))
    op.add_column("scheduled_steps", sa.Column("came_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shops", sa.Column("quiet_from", sa.SmallInteger(), nullable=True))
    op.add_column("shops", sa.Column("quiet_until", sa.SmallInteger(), nullable=True))
    op.add_column("shops", sa.Column("mail_caps", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.add_column("shops", sa.Column("default_holdout", sa.Numeric(4, 3), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for table, columns in (
        ("shops", ("default_holdout", "mail_caps", "quiet_until", "quiet_from")),
        ("scheduled_steps", ("came_at",)),
        ("deliveries", ("priority", "message_class")),
    ):
        for column in columns:
            op.drop_column(table, column)
