select
    $project as owner,
    type,
    roundDown(toInt64(day) * 86400, {windows:Array(Int64)}) as window,
    sum(hours) as usage_hours,
    max(toInt64(last_hour)) as last_hour,
    max(latest_at) as latest_at,
    $sums
from metered_days
$of_days
group by
    owner,
    type,
    window
$settings
