select
    count() as events,
    max(at) as latest
from events
where account_id = {account:UInt64}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and project_id = {project:UInt64}
    and type in {types:Array(String)}
