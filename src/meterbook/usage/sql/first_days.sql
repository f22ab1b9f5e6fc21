select
    account_id,
    toInt64(min(day)) as first_day
from metered_days
where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
group by
    account_id
