select
    '$rule' as rule,
    project_id,
    type,
    $resource as resource,
    roundDown(hour * 3600 + {residue:Int64}, {windows:Array(Int64)}) as window,
    sum(units) as quantity,
    toUInt64(count()) as usage_hours
from
(
    select
        project_id,
        type,
        $resource as resource,
        hour,
        sum(units) as units
    from
    (
        $hourly
    )
    group by
        project_id,
        type,
        resource,
        hour
)
group by
    project_id,
    type,
    resource,
    window
