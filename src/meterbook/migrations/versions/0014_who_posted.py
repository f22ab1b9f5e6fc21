"""Who had an entry posted."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add who had an entry posted; of those before nobody knows."""
    op.add_column("journal_entry", sa.Column("posted_by", sa.Text(), nullable=True))
