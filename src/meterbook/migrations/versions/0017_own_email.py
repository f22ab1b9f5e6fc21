"""Links in letters by which people change the e-mail they sign in with."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Let a link be for an e-mail, and keep which one it was sent to."""
    op.add_column("one_time_link", sa.Column("new_email", sa.Text(), nullable=True))
    op.drop_constraint(op.f("ck_one_time_link_purpose_known"), "one_time_link", type_="check")
    op.create_check_constraint("purpose_known", "one_time_link", "purpose in ('password', 'invitation', 'email')")
    op.create_check_constraint("email_by_purpose", "one_time_link", "(purpose = 'email') = (new_email is not null)")
