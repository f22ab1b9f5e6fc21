select
    $project as owner,
    type,
    resource,
    window,
    toUInt64(24 * countIf(window = first_window)) as usage_hours,
    max(last_hour) as last_hour,
    $sums
from
(
    select
        project_id,
        type,
        resource,
        window,
        day,
        counter,
        last_hour,
        min(window) over (partition by project_id, type, resource, day) as first_window
    from
    (
        select
            project_id,
            type,
            $resource as resource,
            roundDown(toUnixTimestamp64Second(at), {windows:Array(Int64)}) as window,
            roundDown(toUnixTimestamp64Second(at), {days:Array(Int64)}) as day,
            sum(value) as counter,
            max(intDiv(toUnixTimestamp64Second(at) - {residue:Int64}, 3600)) as last_hour
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
            window,
            day
    )
)
group by
    owner,
    type,
    resource,
    window
