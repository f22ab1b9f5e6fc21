"""Brings the usage store's tables up to date: the files of `sql/migrations`, in the order of their names, each once."""

from __future__ import annotations

from importlib.resources import files

from meterbook.usage.connection import Connection, statement


def migrate(engine: Connection) -> list[str]:
    """Apply what is not yet applied and return the names; the caller holds the store's lock.

    One file is one statement, because ClickHouse has no transactions over its schema: a crash lies before or after a
    file, never inside. A file can be repeated, so a crash between it and its note in `schema_versions` does no harm.
    """
    layout = engine.layout
    engine.run(layout.fill(statement("schema_versions")))
    if layout.cluster:
        engine.run(layout.front("schema_versions"))
    applied = set(engine.query("select name from schema_versions").column("name").to_pylist())
    folder = files("meterbook.usage").joinpath("sql", "migrations")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    new = [name for name in names if name not in applied]
    for name in new:
        engine.run(layout.fill(folder.joinpath(name).read_text("utf-8")))
        if name == new[-1]:
            # before the last note, so that a crash leaves no front without the columns of what is behind it
            for front in layout.fronts():
                engine.run(front)
        engine.run("insert into schema_versions (name) values ({name:String})", {"name": name})
    return new
