"""After how many days without a sign of life a person gets no marketing mail any more, by shop."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mail_rules", sa.Column("sunset_days", sa.Integer(), server_default=sa.text("180"), nullable=False))


def downgrade() -> None:
    op.drop_column("mail_rules", "sunset_days")
