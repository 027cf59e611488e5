"""Tokens that are renewed under a lease, and what a freshly installed shop still needs.

Locks: none worth naming; both tables have a few rows for each shop.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_WANTED = {"ix_shops_facts_due": "facts_due_at", "ix_shops_import_wanted": "import_wanted_at"}


def upgrade() -> None:
    op.add_column("shop_tokens", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shop_tokens", sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    op.add_column("shop_tokens", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_shop_tokens_due", "shop_tokens", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    for index, column in _WANTED.items():
        op.add_column("shops", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
        op.create_index(index, "shops", [column], postgresql_where=sa.text(f"{column} IS NOT NULL"))


def downgrade() -> None:
    for index, column in _WANTED.items():
        op.drop_index(index, table_name="shops")
        op.drop_column("shops", column)
    op.drop_index("ix_shop_tokens_due", table_name="shop_tokens")
    for column in ("due_at", "fence", "lease_until"):
        op.drop_column("shop_tokens", column)
