select
    $project as owner,
    type,
    toInt64(day) * 24 as first_hour,
    max(latest_at) as latest_at,
    sumMap(by_hour.1, by_hour.2, $arrays) as by_hour
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
    day
$settings
