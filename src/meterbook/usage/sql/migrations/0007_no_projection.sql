alter table events$local $on_cluster
    drop projection if exists by_identity
