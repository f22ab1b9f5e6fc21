select
    account_id,
    roundDown(toUnixTimestamp64Second(at), {windows:Array(Int64)}) as window,
    max(received_at) as latest
from events
where account_id in {accounts:Array(UInt64)}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and received_at > {received:DateTime64(6, 'UTC')}
    $and_received
group by
    account_id,
    window
