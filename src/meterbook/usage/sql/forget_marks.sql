truncate table rolled
