"""Payments that were taken back, beside refunds."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Tell a return from a refund; what is there are refunds."""
    op.add_column("refund", sa.Column("kind", sa.Text(), server_default="refund", nullable=False))
    op.create_check_constraint(op.f("ck_refund_kind_known"), "refund", "kind in ('refund', 'return')")
