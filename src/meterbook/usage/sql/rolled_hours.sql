select
    account_id,
    project_id,
    type,
    toInt64(day) * 24 + hour_of_day as hour,
    new_hours as hours,
    hour as last_hour,
    latest_at,
    $rules
from metered_days
array join
    by_hour.1 as hour_of_day,
    by_hour.2 as new_hours,
    $arrays
where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
    and day >= {first_day:UInt32}
    and day <= {last_day:UInt32}
    and toInt64(day) * 24 + hour_of_day >= {first_hour:Int64}
    and toInt64(day) * 24 + hour_of_day < {end_hour:Int64}
    $and_types
    $and_projects
    $and_days
    $and_hours
