select
    $project as owner,
    type,
    roundDown(toInt64(day) * 86400, {windows:Array(Int64)}) as window,
    sum(hours) as usage_hours,
    max(toInt64(last_hour)) as last_hour,
    max(latest_at) as latest_at,
    $sums
from metered_days
where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
    and day >= {first_day:UInt32}
    and day <= {last_day:UInt32}
    $and_types
    $and_projects
group by
    owner,
    type,
    window
$settings
