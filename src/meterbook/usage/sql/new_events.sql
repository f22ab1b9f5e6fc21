select
    account_id,
    intDiv(local_day, 8) as span,
    toInt64(min(local_day)) as first_day,
    toInt64(max(local_day)) as last_day,
    count() as events
from
(
    select
        account_id,
        intDiv(toUnixTimestamp64Second(at) + {shift:Int64}, 86400) as local_day
    from events
    where account_id in {accounts:Array(UInt64)}
        and received_at > {rolled_through:DateTime64(6, 'UTC')}
        and received_at <= {received_through:DateTime64(6, 'UTC')}
)
group by
    account_id,
    span
order by
    span,
    account_id
