select
    min(hour) as first_hour
from
(
    $touched_hours
)
having count() > 0
