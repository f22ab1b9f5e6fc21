alter table events$local $on_cluster
    drop column if exists identity
