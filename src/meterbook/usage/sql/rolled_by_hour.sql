select
    project_id as owner,
    type,
    toInt64(day) * 24 as first_hour,
    latest_at,
    by_hour.1 as hour_of_day,
    by_hour.2 as is_new,
    $arrays
from metered_days
$of_days
$settings
