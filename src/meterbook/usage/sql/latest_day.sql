select
    count() as days,
    toInt64(max(day)) as latest_day
from metered_days
where account_id = {account:UInt64}
    and utc_offset = {utc_offset:Int32}
    and project_id in {projects:Array(UInt64)}
