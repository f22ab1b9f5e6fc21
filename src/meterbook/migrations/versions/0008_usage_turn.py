"""Several processes on one ClickHouse server: whose turn it is to record events and to roll them up."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table, whose one row the first process on a server makes."""
    op.create_table(
        "usage_turn",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("received_through", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("moment", sa.BigInteger(), nullable=True),
        sa.Column("step_holder", sa.Text(), nullable=True),
        sa.Column("additions", sa.BigInteger(), nullable=False),
        sa.Column("is_adding", sa.Boolean(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_usage_turn_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_turn")),
    )
