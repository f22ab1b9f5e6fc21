select
    account_id,
    project_id,
    type,
    min(hour) as first_hour,
    count() as hours_off
from
(
    $changed_hours
)
where (hours, $rules) != (0, $zeros)
group by
    account_id,
    project_id,
    type
order by
    account_id,
    project_id,
    type
limit {most:UInt64}
