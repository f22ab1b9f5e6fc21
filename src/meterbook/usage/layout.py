"""How the usage store's tables are spread: plain in the engine and on one server, over the shards of a cluster.

On a cluster each table is two: `NAME_local`, replicated on the servers of a shard, and `NAME` in front of the shards.
All rows of an account are on one shard, so that a statement about an account joins its tables there.
"""

from __future__ import annotations

from dataclasses import dataclass
from string import Template
from typing import Final

# What decides on which shard a row is.
_SHARDED_BY: Final = {
    "events": "account_id",
    "event_identities": "tail",
    "metered_days": "account_id",
    "rolled": "account_id",
    "schema_versions": "cityHash64(name)",
}
# How many inserts a table remembers, so that none of them can be made twice.
_INSERTS_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Fills in what a statement over tables leaves open. `cluster` is its name in the server's configuration."""

    cluster: str | None = None
    is_server: bool = False

    def fill(self, sql: str) -> str:
        """Return a statement that makes, changes or empties a table, for the tables as they are here."""
        return Template(sql).substitute(
            local="_local" if self.cluster else "",
            on_cluster=self._on_cluster,
            replicated="Replicated" if self.cluster else "",
            inserts_remembered=_INSERTS_REMEMBERED if self.is_server else 0,
            removes_empty_parts=0 if self.is_server else 1,
        )

    def fronts(self) -> list[str]:
        """Return the statements that put the tables in front of the shards; none where there are no shards."""
        if self.cluster is None:
            return []
        return [self.front(table, "create or replace table") for table in _SHARDED_BY]

    def front(self, table: str, create: str = "create table if not exists") -> str:
        """Return the statement that puts one table in front of the shards."""
        return (
            f"{create} {table} {self._on_cluster} as {table}_local "
            f"engine = Distributed('{self.cluster}', currentDatabase(), '{table}_local', {_SHARDED_BY[table]})"
        )

    @property
    def _on_cluster(self) -> str:
        return f"on cluster '{self.cluster}'" if self.cluster else ""
