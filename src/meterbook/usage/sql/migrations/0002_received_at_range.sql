alter table events$local $on_cluster
    add index if not exists received_at_range received_at type minmax granularity 1
