"""Tries of late: several processes count the same ones."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table; what was tried before counts no longer."""
    op.create_table(
        "recent_try",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("of_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("counts_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recent_try")),
    )
    op.create_index(op.f("ix_recent_try_of_sha256_counts_until"), "recent_try", ["of_sha256", "counts_until"])
    op.create_index(op.f("ix_recent_try_counts_until"), "recent_try", ["counts_until"])
