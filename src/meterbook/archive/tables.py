"""The tables of the money store as files: out of one snapshot of all, and back into empty tables, ids and all."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Connection, text

from meterbook.errors import Refused

COMPRESSION: Final = "zstd"
# What names this version's form, how far the processes on the server are that is left behind, and what was tried there.
_NOT_CARRIED: Final = frozenset({"schema_version", "usage_turn", "recent_try"})
_REFERENCES: Final = text("""
    select
        child.relname as child,
        parent.relname as parent
    from pg_constraint
    join pg_class as child on child.oid = conrelid
    join pg_class as parent on parent.oid = confrelid
    where contype = 'f'
    and connamespace = 'public'::regnamespace
""")
_TABLES: Final = text("select tablename from pg_tables where schemaname = 'public'")
_COLUMNS: Final = text("""
    select column_name
    from information_schema.columns
    where table_schema = 'public'
    and table_name = :table
    and is_generated = 'NEVER'
    order by ordinal_position
""")
_SEQUENCES: Final = text("""
    select
        table_name,
        column_name,
        pg_get_serial_sequence(quote_ident(table_name), column_name) as sequence
    from information_schema.columns
    where table_schema = 'public'
    and pg_get_serial_sequence(quote_ident(table_name), column_name) is not null
""")


def carried_tables(connection: Connection) -> list[str]:
    """Return the tables that an archive holds, those that others refer to first."""
    order: TopologicalSorter[str] = TopologicalSorter()
    for (table,) in connection.execute(_TABLES):
        if table not in _NOT_CARRIED:
            order.add(table)
    for child, parent in connection.execute(_REFERENCES):
        if child != parent and _NOT_CARRIED.isdisjoint({child, parent}):
            order.add(child, parent)
    return list(order.static_order())


def schema_of(connection: Connection) -> str:
    """Return the revision of the money store."""
    return str(connection.scalar(text("select version_num from schema_version")))


def copy_out(connection: Connection, table: str, file: Path) -> int:
    """Write a table's rows to a compressed file, as PostgreSQL's text form of COPY with a head; return how many."""
    columns = _columns(connection, table)
    command = sql.SQL("copy (select {} from {}) to stdout (header)").format(columns, sql.Identifier(table))
    cursor = _raw(connection).cursor()
    with pa.output_stream(str(file), compression=COMPRESSION) as out, cursor.copy(command) as rows:
        for data in rows:
            out.write(data)
    return int(cursor.rowcount)


def copy_in(connection: Connection, table: str, file: Path) -> int:
    """Put the rows of a file into a table whose own triggers are off; return how many.

    The head has to name the table's columns in their order, so that nothing lands in a wrong one.
    """
    command = sql.SQL("copy {} ({}) from stdin (header match)").format(
        sql.Identifier(table), _columns(connection, table)
    )
    cursor = _raw(connection).cursor()
    with pa.input_stream(str(file), compression=COMPRESSION) as data, cursor.copy(command) as rows:
        while part := data.read(1 << 20):
            rows.write(part)
    return int(cursor.rowcount)


def refuse_unless_empty(connection: Connection, tables: Mapping[str, object]) -> None:
    """Raise `Refused` ("not-empty") when one of the tables has a row."""
    for table in tables:
        rows = _raw(connection).execute(sql.SQL("select 1 from {} limit 1").format(sql.Identifier(table)))
        if rows.fetchone() is not None:
            raise Refused(
                f"The money store is in use already (its table {table} has rows): restore into an empty one.",
                "not-empty",
            )


def set_triggers(connection: Connection, tables: Mapping[str, object], *, on: bool) -> None:
    """Switch the tables' own triggers on or off: what is restored was checked when it was written first."""
    command = sql.SQL("alter table {} enable trigger user" if on else "alter table {} disable trigger user")
    for table in tables:
        _raw(connection).execute(command.format(sql.Identifier(table)))


def set_sequences(connection: Connection) -> None:
    """Have every sequence go on after the largest number in use."""
    command = sql.SQL("select setval({}, coalesce(max({}), 1), max({}) is not null) from {}")
    for table, column, sequence in connection.execute(_SEQUENCES).all():
        name = sql.Identifier(column)
        _raw(connection).execute(command.format(sql.Literal(sequence), name, name, sql.Identifier(table)))


def _columns(connection: Connection, table: str) -> sql.Composed:
    names = connection.scalars(_COLUMNS, {"table": table}).all()
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _raw(connection: Connection) -> psycopg.Connection[Any]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection), "the database is opened with psycopg"
    return raw
