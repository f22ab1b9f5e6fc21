select
    account_id,
    min(at) as first_at
from events
where account_id in {accounts:Array(UInt64)}
    and received_at > {received:DateTime64(6, 'UTC')}
group by
    account_id
