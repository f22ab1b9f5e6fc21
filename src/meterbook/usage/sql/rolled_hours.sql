select
    account_id,
    project_id,
    type,
    toInt64(day) * 24 + hour_of_day as hour,
    hours_of_day as hours,
    latest_at,
    $rules
from
(
    select
        account_id,
        project_id,
        type,
        day,
        latest_at,
        by_hour.1 as hour_of_day,
        by_hour.2 as hours_of_day,
        $arrays
    from metered_days
    where account_id in {accounts:Array(UInt64)}
        and utc_offset = {utc_offset:Int32}
        and day >= {first_day:UInt32}
        and day <= {last_day:UInt32}
        $and_types
        $and_projects
        $and_days
)
array join
    hour_of_day,
    hours_of_day,
    $rules
where $hours
