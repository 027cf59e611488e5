"""What a shop said is gone, to be asked for before it is believed."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doubts",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_doubts_object", "doubts", ["shop_id", "kind", "external_id"], unique=True)
    waiting, taken = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_doubts_due", "doubts", ["due_at"], postgresql_where=sa.text(waiting))
    op.create_index("ix_doubts_lease", "doubts", ["lease_until"], postgresql_where=sa.text(taken))


def downgrade() -> None:
    op.drop_table("doubts")
