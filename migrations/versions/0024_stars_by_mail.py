"""How many stars were read in a reply, and an index for the replies that people have to read.

The index is made while nobody writes: replies are few, a shop has some hundreds.
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replies", sa.Column("score", sa.SmallInteger(), nullable=True))
    plain = sa.text("score IS NULL AND NOT is_automatic AND text IS NOT NULL")
    op.create_index("ix_replies_plain", "replies", ["shop_id", "id"], postgresql_where=plain)


def downgrade() -> None:
    op.drop_index("ix_replies_plain", "replies")
    op.drop_column("replies", "score")
