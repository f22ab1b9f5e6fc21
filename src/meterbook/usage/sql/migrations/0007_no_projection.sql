alter table events
    drop projection if exists by_identity
