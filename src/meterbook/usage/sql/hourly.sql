select
    project_id,
    type,
    resource,
    intDiv(toUnixTimestamp64Second(at) - {residue:Int64}, 3600) as hour,
    $units
from events
where account_id in {accounts:Array(UInt64)}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {until:DateTime64(6, 'UTC')}
    and type in {types:Array(String)}
    $and_projects
    $and_received
group by
    project_id,
    type,
    resource,
    hour
