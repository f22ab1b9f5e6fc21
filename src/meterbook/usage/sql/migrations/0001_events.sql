create table if not exists events$local $on_cluster
(
    account_id UInt64,
    project_id UInt64,
    type LowCardinality(String),
    resource String codec(LZ4),
    at DateTime64(6, 'UTC') codec(Delta, LZ4),
    value Decimal(38, 9) codec(LZ4),
    source LowCardinality(String),
    id String codec(ZSTD(1)),
    dimensions String codec(ZSTD(1)),
    received_at DateTime64(6, 'UTC') codec(Delta, ZSTD(1)),
    identity FixedString(16) codec(NONE),
    projection by_identity
    (
        select identity
        order by identity
    )
    with settings (index_granularity = 256)
)
engine = ${replicated}MergeTree
order by (account_id, toYYYYMM(at), project_id, type, resource, at)
settings
    min_bytes_for_wide_part = 4000000,
    fsync_after_insert = 1,
    fsync_part_directory = 1
