"""Whether the webhooks in a WooCommerce shop are of a connection that ended, and must be made anew."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("hooks_are_stale", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    op.drop_column("connections", "hooks_are_stale")
