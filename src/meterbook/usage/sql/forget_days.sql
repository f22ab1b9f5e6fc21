truncate table metered_days
