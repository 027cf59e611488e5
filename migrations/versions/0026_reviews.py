"""Reviews of the shop are answers too. Every shop that is connected gets a cursor for them, as it has for the other kinds.

Quick, whatever the size: columns without a default, two columns that may be empty now, and a row for each shop. The two
indexes are made of a small table: one row for each person who ever answered.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

FROM_A_MAIL = ("delivery_id", "enrollment_id", "score")


def upgrade() -> None:
    for name in FROM_A_MAIL:
        op.alter_column("answers", name, nullable=True)
    op.add_column("answers", sa.Column("review_id", sa.Text(), nullable=True))
    op.add_column("answers", sa.Column("product_id", sa.Text(), nullable=True))
    op.create_index("uq_answers_review", "answers", ["shop_id", "review_id"], unique=True)
    is_review = sa.text("review_id IS NOT NULL")
    op.create_index("ix_answers_written", "answers", ["shop_id", "answered_at"], postgresql_where=is_review)
    op.execute(
        "INSERT INTO cursors (shop_id, kind, due_at) SELECT id, 'reviews', now() FROM shops "
        "WHERE state IN ('active', 'paused') ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    op.execute("DELETE FROM cursors WHERE kind = 'reviews'")
    op.execute("DELETE FROM doubts WHERE kind = 'reviews'")
    op.execute("DELETE FROM answers WHERE review_id IS NOT NULL")
    op.drop_index("ix_answers_written", "answers")
    op.drop_index("uq_answers_review", "answers")
    for name in ("product_id", "review_id"):
        op.drop_column("answers", name)
    for name in FROM_A_MAIL:
        op.alter_column("answers", name, nullable=False)
