insert into metered_days (account_id, utc_offset, day, project_id, type, hours)
select
    number,
    0,
    0,
    0,
    '',
    0
from numbers({shards:UInt64})
