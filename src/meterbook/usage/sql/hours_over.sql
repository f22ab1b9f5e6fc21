select
    $project as owner,
    type,
    $resource as resource,
    toDecimal128(sum(least_units * (hours - {hours_max:Int64})), 9) as quantity
from
(
    select
        project_id,
        type,
        resource,
        toInt64(count()) as hours,
        min(units) as least_units
    from
    (
        $hourly
    )
    group by
        project_id,
        type,
        resource
    having hours > {hours_max:Int64}
)
group by
    owner,
    type,
    resource
