create table if not exists schema_versions$local $on_cluster
(
    name String,
    applied_at DateTime64(6, 'UTC') default now64(6)
)
engine = ${replicated}MergeTree
order by name
settings
    fsync_after_insert = 1,
    fsync_part_directory = 1
