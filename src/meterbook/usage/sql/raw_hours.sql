select
    account_id,
    project_id,
    type,
    hour,
    toInt64(1) as hours,
    hour as last_hour,
    max(latest) as latest_at,
    $sums
from
(
    select
        account_id,
        project_id,
        type,
        resource,
        intDiv(toUnixTimestamp64Second(at) + {shift:Int64}, 3600) as hour,
        max(at) as latest,
        $units
    from events
    where account_id in {accounts:Array(UInt64)}
        and at >= {$since:DateTime64(6, 'UTC')}
        and at < {until:DateTime64(6, 'UTC')}
        and received_at <= {received_through:DateTime64(6, 'UTC')}
        $and_types
        $and_projects
        $and_touched
    group by
        account_id,
        project_id,
        type,
        resource,
        hour
)
group by
    account_id,
    project_id,
    type,
    hour
