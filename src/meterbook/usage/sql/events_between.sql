with
    $identity
select
    id,
    source,
    at,
    resource,
    value,
    dimensions,
    leftPad(lower(hex(whole)), 32, '0') as place
from events
where account_id = {account:UInt64}
    and project_id = {project:UInt64}
    and type = {type:String}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and (
        at > {after:DateTime64(6, 'UTC')}
        or (at = {after:DateTime64(6, 'UTC')} and whole > {whole:UInt128})
    )
    $and_received
order by
    at,
    whole
limit {limit:UInt64}
