"""Rehearsals, and the index by which those who agreed in a shop's last months are found, the newest first.

Locks: the index is built while its table takes no writes; 10 million rows take about half a minute.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
TIME = sa.DateTime(timezone=True)
INDEXES = {"consents": "at"}


def upgrade() -> None:
    op.create_table(
        "rehearsals",
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("tree", postgresql.JSONB(), nullable=False),
        sa.Column("tree_hash", sa.Text(), nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.Column("since_at", TIME, nullable=False),
        sa.Column("until_at", TIME, nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("whom", postgresql.JSONB(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("looked_at", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worked", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("is_more", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_late", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_stop_wanted", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tally", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("examples", postgresql.JSONB(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("shop_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("deaths", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("lease_until", TIME, nullable=True),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("shop_id", "id"),
    )
    is_pending = sa.text("state = 'pending'")
    op.create_index("uq_rehearsals_under_way", "rehearsals", ["shop_id"], unique=True, postgresql_where=is_pending)
    op.create_index("ix_rehearsals_flow", "rehearsals", ["shop_id", "flow", "id"])
    op.create_index("ix_rehearsals_expires", "rehearsals", ["expires_at"])
    free, leased = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_rehearsals_due", "rehearsals", ["due_at"], postgresql_where=sa.text(free))
    op.create_index("ix_rehearsals_lease", "rehearsals", ["lease_until"], postgresql_where=sa.text(leased))
    op.execute("ALTER TABLE rehearsals ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON rehearsals TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    op.execute(f"GRANT SELECT, INSERT, UPDATE (is_stop_wanted) ON rehearsals TO {ROLE}")
    for table, column in INDEXES.items():
        op.create_index(f"ix_{table}_{column}", table, ["shop_id", column])


def downgrade() -> None:
    for table, column in INDEXES.items():
        op.drop_index(f"ix_{table}_{column}", table)
    op.drop_table("rehearsals")
