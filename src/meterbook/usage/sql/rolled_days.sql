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
$of_days
    $and_days
