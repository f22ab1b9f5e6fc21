select
    account_id,
    project_id,
    type,
    min(day) as first_day
from
(
    select
        account_id,
        project_id,
        type,
        day,
        sum(hours) as day_hours,
        sum(arraySum(by_hour.2)) as hour_hours,
        $sums
    from metered_days
    group by
        account_id,
        utc_offset,
        day,
        project_id,
        type
)
where day_hours != hour_hours or $different
group by
    account_id,
    project_id,
    type
order by
    account_id,
    project_id,
    type
limit {most:UInt64}
