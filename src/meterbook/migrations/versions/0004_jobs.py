"""The queue of jobs: Procrastinate's own tables, types and functions, as the installed version ships them."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make Procrastinate's schema, all of it named procrastinate_*."""
    # here, as Alembic reads every revision at each start and this package takes long to import
    from procrastinate.schema import SchemaManager

    # as it is: its functions hold the signs that mark parameters and part statements
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(SchemaManager.get_schema())
