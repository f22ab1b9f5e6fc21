select
    project_id,
    type,
    $resource as resource,
    roundDown(hour * 3600 + {residue:Int64}, {windows:Array(Int64)}) as window,
    groupBitmap(toUInt32(hour)) as usage_hours,
    max(hour) as last_hour,
    $sums
from
(
    $hourly
)
group by
    project_id,
    type,
    resource,
    window
settings
    -- an account's month is a few hundred thousand rows: worth more than one thread
    merge_tree_min_rows_for_concurrent_read = 50000,
    merge_tree_min_bytes_for_concurrent_read = 0
