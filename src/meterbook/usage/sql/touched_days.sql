select
    project_id,
    type,
    toUInt32(intDiv(hour, 24)) as day
from
(
    $touched_hours
)
