select
    id,
    source,
    at,
    resource,
    value,
    dimensions,
    lower(hex(identity)) as place
from events
where account_id = {account:UInt64}
    and project_id = {project:UInt64}
    and type = {type:String}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and (
        at > {after:DateTime64(6, 'UTC')}
        or (at = {after:DateTime64(6, 'UTC')} and identity > toFixedString(unhex({identity:String}), 16))
    )
    $and_received
order by
    at,
    identity
limit {limit:UInt64}
