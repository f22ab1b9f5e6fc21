alter table event_identities$local $on_cluster
    modify setting non_replicated_deduplication_window = $inserts_remembered
