truncate table event_identities$local $on_cluster
