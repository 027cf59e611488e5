"""The settings page: the role of a merchant's request may change how the shop's mails go out, and nothing else of it."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ROLE = "cartwheel_tenant"
COLUMNS = "sender_email, reply_to, postal_address, quiet_from, quiet_until, mail_caps"


def upgrade() -> None:
    op.execute(f"GRANT UPDATE ({COLUMNS}) ON shops TO {ROLE}")


def downgrade() -> None:
    op.execute(f"REVOKE UPDATE ({COLUMNS}) ON shops FROM {ROLE}")
