"""Alembic's entry: runs the revisions on the connection (and in the transaction) of `database.migrate`."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes.get("metadata"),
    version_table="schema_version",
)
with context.begin_transaction():
    context.run_migrations()
