select
    $project as owner,
    type,
    roundDown(hour * 3600, {windows:Array(Int64)}) as window,
    sum(hours) as usage_hours,
    max(last_hour) as last_hour,
    max(latest_at) as latest_at,
    $sums
from
(
    $cells
)
group by
    owner,
    type,
    window
$settings
