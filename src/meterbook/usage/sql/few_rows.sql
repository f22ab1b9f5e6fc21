settings
    -- the rows are few: dividing them, or planning which columns to read first, takes longer than reading them
    max_threads = 1,
    optimize_move_to_prewhere = 0
