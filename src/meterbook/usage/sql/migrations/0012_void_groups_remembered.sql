-- With a part, ClickHouse forgets the tokens of its inserts: one that is empty, because a group was voided, has to stay.
alter table events$local $on_cluster
    modify setting remove_empty_parts = $removes_empty_parts
