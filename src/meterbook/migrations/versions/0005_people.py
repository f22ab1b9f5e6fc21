"""People: who is of the operator's staff, their theme, what their sign-ins came from, and links that work once."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns and the table of links."""
    op.add_column("user", sa.Column("is_operator", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("user", sa.Column("theme", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("ck_user_theme_known"), "user", "theme in ('auto', 'light', 'dark')")
    op.add_column("sign_in", sa.Column("browser", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "one_time_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("purpose in ('password', 'invitation')", name=op.f("ck_one_time_link_purpose_known")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_one_time_link_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_one_time_link")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_one_time_link_token_sha256")),
        sa.UniqueConstraint("user_id", "purpose", name=op.f("uq_one_time_link_user_id_purpose")),
    )
