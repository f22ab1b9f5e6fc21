-- The key has the month of `at` and `at` itself: ClickHouse looks for a time in the latter only, so in every month.
alter table events$local $on_cluster
    add index if not exists at_range at type minmax granularity 1
