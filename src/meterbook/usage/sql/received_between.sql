select
    account_id,
    toString(source) as source,
    id
from events
where received_at >= {first:DateTime64(6, 'UTC')}
    and received_at <= {last:DateTime64(6, 'UTC')}
    and type != ''
