"""Months that were left unbilled."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the table, which writes the audit log."""
    op.create_table(
        "unbilled_month",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("month", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_unbilled_month_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "month", name=op.f("pk_unbilled_month")),
    )
    op.execute(
        "create trigger audit after insert or update or delete on unbilled_month"
        " for each row execute function meterbook_audit(account_id, decided_at, decided_by)"
    )
