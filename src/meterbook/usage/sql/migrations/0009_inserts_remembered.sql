-- An insert with a token that is known is passed over: so it can be tried again when nobody knows what became of it.
alter table events$local $on_cluster
    modify setting non_replicated_deduplication_window = $inserts_remembered
