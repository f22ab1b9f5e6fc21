-- What projects used a day, rolled up from the events; a day begins at midnight of clocks that are `utc_offset` seconds
-- ahead of UTC, and is numbered from 1969-12-31. Rows of one key add up; `by_hour` holds, by hour of the day, how many
-- hours are new (0 or 1) and the same five sums as the columns. What each sum is: `usage/units.py`.
create table if not exists metered_days$local $on_cluster
(
    account_id UInt64,
    utc_offset Int32,
    day UInt32,
    project_id UInt64,
    type LowCardinality(String),
    hours SimpleAggregateFunction(sum, Int64),
    last_hour SimpleAggregateFunction(max, UInt32),
    latest_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    presence SimpleAggregateFunction(sum, Int64),
    gauge_max SimpleAggregateFunction(sum, Decimal(38, 9)),
    gauge_average SimpleAggregateFunction(sum, Decimal(38, 9)),
    gauge_last SimpleAggregateFunction(sum, Decimal(38, 9)),
    counter SimpleAggregateFunction(sum, Decimal(38, 9)),
    by_hour SimpleAggregateFunction(sumMap, Tuple(
        Array(UInt8),
        Array(Int64),
        Array(Int64),
        Array(Decimal(38, 9)),
        Array(Decimal(38, 9)),
        Array(Decimal(38, 9)),
        Array(Decimal(38, 9))
    ))
)
engine = ${replicated}AggregatingMergeTree
order by (account_id, utc_offset, day, project_id, type)
settings
    index_granularity = 256,
    min_bytes_for_wide_part = 4000000,
    fsync_after_insert = 1,
    fsync_part_directory = 1
