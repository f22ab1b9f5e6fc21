"""Two-factor authentication: a person's secret, the codes that stand in for it, and sign-ins that await a code."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_UNTOLD = ("id", "password_hash", "totp_secret", "totp_used", "language", "theme", "created_at")


def upgrade() -> None:
    """Add them; the audit log tells when somebody's second factor came and went, and never the secret."""
    op.add_column("user", sa.Column("totp_secret", sa.Text(), nullable=True))
    op.add_column("user", sa.Column("totp_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("user", sa.Column("totp_used", sa.BigInteger(), nullable=True))
    op.create_check_constraint("totp_whole", "user", "(totp_secret is null) = (totp_since is null)")
    op.add_column("sign_in", sa.Column("awaits_code", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("code_sha256", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_recovery_code_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("user_id", "code_sha256", name=op.f("uq_recovery_code_user_id_code_sha256")),
    )
    op.execute('drop trigger audit on "user"')
    op.execute(
        'create trigger audit after insert or update or delete on "user"'
        f" for each row execute function meterbook_audit({', '.join(_UNTOLD)})"
    )
