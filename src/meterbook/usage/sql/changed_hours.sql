select
    account_id,
    project_id,
    type,
    hour,
    sum(hours) as hours,
    max(latest_at) as latest_at,
    $sums
from
(
    $raw_hours
    union all
    select
        account_id,
        project_id,
        type,
        hour,
        -hours,
        hour,
        latest_at,
        $negated
    from
    (
        $rolled_hours
    )
)
group by
    account_id,
    project_id,
    type,
    hour
