"""Cursors: how far each kind of a shop's objects was read. Every shop that is connected already gets its rows."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
SHOP = "nullif(current_setting('cartwheel.shop_id', true), '')::bigint"
KINDS = "'orders', 'checkouts', 'customers', 'products', 'webhooks'"


def upgrade() -> None:
    op.create_table(
        "cursors",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("watermark", sa.DateTime(timezone=True), nullable=True),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("page", sa.Text(), nullable=True),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("shop_count", sa.Integer(), nullable=True),
        sa.Column("held_count", sa.Integer(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
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
    op.create_index("uq_cursors_kind", "cursors", ["shop_id", "kind"], unique=True)
    waiting, taken = "state = 'pending' AND lease_until IS NULL", "state = 'pending' AND lease_until IS NOT NULL"
    op.create_index("ix_cursors_due", "cursors", ["due_at"], postgresql_where=sa.text(waiting))
    op.create_index("ix_cursors_lease", "cursors", ["lease_until"], postgresql_where=sa.text(taken))
    op.execute("ALTER TABLE cursors ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON cursors TO {ROLE} USING (shop_id = {SHOP}) WITH CHECK (shop_id = {SHOP})")
    # A merchant sees how far the import is; when the shop is asked is our business.
    op.execute(f"GRANT SELECT ON cursors TO {ROLE}")
    op.execute(
        "INSERT INTO cursors (shop_id, kind, due_at) SELECT s.id, k.kind, now() FROM shops s, "
        f"unnest(ARRAY[{KINDS}]) AS k(kind) WHERE s.state IN ('active', 'paused')"
    )


def downgrade() -> None:
    op.drop_table("cursors")
