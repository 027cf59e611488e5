"""The desk: staff and how they sign in, and the replays that they ask for. No merchant sees either.

Locks: none worth naming; the tables are new, and a column without a value takes a moment.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WAITING, _TAKEN = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"


def upgrade() -> None:
    op.create_table(
        "staff",
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("invited_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        *_key(),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    op.create_index("uq_staff_email", "staff", ["shop_id", "email"], unique=True)
    op.add_column("sign_in_links", sa.Column("staff_id", sa.BigInteger(), nullable=True))
    op.create_table(
        "replays",
        sa.Column("is_dry_run", sa.Boolean(), nullable=False),
        sa.Column("which", postgresql.JSONB(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("after_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_stop_wanted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forecast", postgresql.JSONB(), nullable=True),
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
    op.create_index("ix_replays_due", "replays", ["due_at"], postgresql_where=sa.text(_WAITING))
    op.create_index("ix_replays_lease", "replays", ["lease_until"], postgresql_where=sa.text(_TAKEN))


def downgrade() -> None:
    op.drop_table("replays")
    op.drop_column("sign_in_links", "staff_id")
    op.drop_table("staff")


def _key() -> list[sa.Column]:
    return [
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
    ]
