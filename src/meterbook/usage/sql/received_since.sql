select distinct
    type,
    window
from
(
    select
        type,
        toUnixTimestamp64Second(at) as second,
        roundDown(second, {windows:Array(Int64)}) as window,
        indexOf({windows:Array(Int64)}, window) as place,
        toUnixTimestamp64Micro(received_at) as received
    from events
    where account_id = {account:UInt64}
        and project_id = {project:UInt64}
        and type in {types:Array(String)}
        and at >= {starts:DateTime64(6, 'UTC')}
        and at < {until:DateTime64(6, 'UTC')}
)
where second < {ends:Array(Int64)}[place]
    and received > {received:Array(Int64)}[place]
