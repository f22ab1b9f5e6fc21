-- Most readings are of the roll-up now: the events may be packed tighter, at the cost of unpacking them.
alter table events$local $on_cluster
    modify column at DateTime64(6, 'UTC') codec(Delta, ZSTD(1)),
    modify column value Decimal(38, 9) codec(ZSTD(1))
