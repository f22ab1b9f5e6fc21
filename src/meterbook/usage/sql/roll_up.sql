insert into metered_days
select
    account_id,
    {utc_offset:Int32} as utc_offset,
    toUInt32(intDiv(hour, 24)) as day,
    project_id,
    type,
    sum(hours),
    toUInt32(max(hour)),
    max(latest_at),
    $day_sums,
    (groupArray(toUInt8(hour % 24)), groupArray(hours), $hour_arrays)
from
(
    $changed_hours
)
group by
    account_id,
    day,
    project_id,
    type
settings
    max_threads = 1,
    max_bytes_before_external_group_by = 1000000000
