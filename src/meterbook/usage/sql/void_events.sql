insert into events (account_id, project_id, type, resource, at, value, source, id, dimensions, received_at)
select
    number,
    0,
    '',
    '',
    toDateTime64(0, 6, 'UTC'),
    0,
    '',
    '',
    '',
    {received_at:DateTime64(6, 'UTC')}
from numbers({shards:UInt64})
