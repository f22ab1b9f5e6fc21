select
    '$rule' as rule,
    project_id,
    type,
    resource,
    window,
    sum(units) as quantity,
    toUInt64(24 * countIf(window = first_window)) as usage_hours
from
(
    select
        project_id,
        type,
        resource,
        window,
        units,
        min(window) over (partition by project_id, type, resource, day) as first_window
    from
    (
        select
            project_id,
            type,
            $resource as resource,
            roundDown(hour * 3600 + {residue:Int64}, {windows:Array(Int64)}) as window,
            roundDown(hour * 3600 + {residue:Int64}, {days:Array(Int64)}) as day,
            sum(units) as units
        from
        (
            $hourly
        )
        group by
            project_id,
            type,
            resource,
            window,
            day
    )
)
group by
    project_id,
    type,
    resource,
    window
