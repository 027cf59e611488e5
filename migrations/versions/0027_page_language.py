"""The language of a shop's own pages, where somebody chose one on its settings page."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"


def upgrade() -> None:
    op.add_column("shops", sa.Column("page_language", sa.Text()))
    op.execute(f"GRANT UPDATE (page_language) ON shops TO {ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE UPDATE (page_language) ON shops FROM {ROLE}")
    op.drop_column("shops", "page_language")
