select
    project_id,
    type,
    hour * 3600 as starts,
    hours,
    toUInt32(hour) as last_hour,
    latest_at,
    $rules
from
(
    $hours
)
