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
$of_days
    and toInt64(day) * 24 + hour_of_day >= {first_hour:Int64}
    and toInt64(day) * 24 + hour_of_day < {end_hour:Int64}
    $and_days
    $and_hours
