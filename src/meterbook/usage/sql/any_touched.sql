select
    1 as found
from
(
    $touched_hours
)
limit 1
