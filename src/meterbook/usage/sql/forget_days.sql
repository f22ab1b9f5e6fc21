truncate table metered_days$local $on_cluster
