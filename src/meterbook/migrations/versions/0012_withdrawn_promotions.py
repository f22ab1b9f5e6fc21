"""Registrations of promotions that were taken back."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table, which is append-only, and let an account register again what was taken back from it."""
    op.create_table(
        "withdrawal",
        sa.Column("redemption_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name=op.f("fk_withdrawal_redemption_id_redemption")
        ),
        sa.PrimaryKeyConstraint("redemption_id", name=op.f("pk_withdrawal")),
    )
    op.execute(
        "create trigger append_only before update or delete or truncate on withdrawal"
        " for each statement execute function meterbook_append_only()"
    )
    op.drop_constraint(op.f("uq_redemption_promotion_id_account_id"), "redemption", type_="unique")
    op.create_index(op.f("ix_redemption_promotion_id"), "redemption", ["promotion_id"], unique=False)
