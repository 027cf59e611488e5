"""Links to the desk that staff asked for by mail. No shop's role may see or write them."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLE = "sign_in_mails"
_WAITING, _TAKEN = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
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
    op.create_index(f"ix_{TABLE}_due", TABLE, ["due_at"], postgresql_where=sa.text(_WAITING))
    op.create_index(f"ix_{TABLE}_lease", TABLE, ["lease_until"], postgresql_where=sa.text(_TAKEN))
    op.create_index(f"ix_{TABLE}_staff", TABLE, ["shop_id", "staff_id", "created_at"])


def downgrade() -> None:
    op.drop_table(TABLE)
