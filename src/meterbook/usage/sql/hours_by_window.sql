select
    $project as owner,
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
    owner,
    type,
    resource,
    window
settings
    -- a reading is divided among readers by project, which serves an account's month better
    max_threads = 1
