"""Accounts that are closed."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add when an account was closed; none is."""
    op.add_column("account", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
