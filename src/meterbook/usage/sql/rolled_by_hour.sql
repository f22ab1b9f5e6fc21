select
    project_id as owner,
    type,
    toInt64(day) * 24 as first_hour,
    latest_at,
    by_hour.1 as hour_of_day,
    by_hour.2 as is_new,
    $arrays
from metered_days
where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
    and day >= {first_day:UInt32}
    and day <= {last_day:UInt32}
    $and_types
    $and_projects
$settings
