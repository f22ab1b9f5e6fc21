select distinct
    type
from events
where account_id = {account:UInt64}
    and project_id = {project:UInt64}
    and at >= {starts:DateTime64(6, 'UTC')}
    and at < {ends:DateTime64(6, 'UTC')}
    and received_at > {received:DateTime64(6, 'UTC')}
    and type in {types:Array(String)}
