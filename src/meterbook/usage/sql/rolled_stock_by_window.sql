select
    $project as owner,
    type,
    window,
    sum(new_hours) as usage_hours,
    max(last_hour) as last_hour,
    max(latest_at) as latest_at,
    $sums
from
(
    select
        project_id,
        type,
        window,
        day,
        lines as counter,
        last_hour,
        latest_at,
        24 * (window = min(window) over (partition by project_id, type, day)) as new_hours
    from
    (
        select
            project_id,
            type,
            roundDown(hour * 3600, {windows:Array(Int64)}) as window,
            roundDown(hour * 3600, {days:Array(Int64)}) as day,
            sum(counter) as lines,
            max(last_hour) as last_hour,
            max(latest_at) as latest_at
        from
        (
            $cells
        )
        group by
            project_id,
            type,
            window,
            day
    )
)
group by
    owner,
    type,
    window
$settings
