select
    account_id,
    project_id,
    type,
    toInt64(day) * 24 as hour,
    hours,
    toInt64(last_hour) as last_hour,
    latest_at,
    $rules
from metered_days
where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
    and day >= {first_day:UInt32}
    and day <= {last_day:UInt32}
    $and_types
    $and_projects
    $and_days
