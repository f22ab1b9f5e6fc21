-- Up to which moment of receipt the events of an account are rolled up; account 0 stands for all that are listed.
create table if not exists rolled$local $on_cluster
(
    account_id UInt64,
    utc_offset Int32,
    received_through SimpleAggregateFunction(max, DateTime64(6, 'UTC'))
)
engine = ${replicated}AggregatingMergeTree
order by (account_id, utc_offset)
settings
    fsync_after_insert = 1,
    fsync_part_directory = 1
