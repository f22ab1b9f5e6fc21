"""The history of the tables, as Alembic revisions in versions/, applied by `database.migrate`.

A revision is a fact: once released it is never edited, only followed. Each room's tables are compared with the
outcome by a test, so that none can be forgotten.
"""
