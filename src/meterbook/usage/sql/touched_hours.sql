select
    account_id,
    project_id,
    type,
    intDiv(toUnixTimestamp64Second(at) + {shift:Int64}, 3600) as hour
from events
where account_id in {accounts:Array(UInt64)}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and (received_at > {rolled_through:DateTime64(6, 'UTC')} $or_cut)
    $and_types
    $and_projects
