-- The identity of each event, which is a hash of its account, source and id: usage/identity.py, sql/identity.sql.
create table if not exists event_identities$local $on_cluster
(
    head UInt64 codec(Delta, ZSTD(1)),
    tail UInt64 codec(NONE)
)
engine = ${replicated}MergeTree
order by head
settings
    index_granularity = 256,
    min_bytes_for_wide_part = 4000000,
    fsync_after_insert = 1,
    fsync_part_directory = 1
