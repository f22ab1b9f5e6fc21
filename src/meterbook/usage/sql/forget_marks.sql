truncate table rolled$local $on_cluster
