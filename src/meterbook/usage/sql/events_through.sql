select
    account_id,
    project_id,
    toString(type) as type,
    resource,
    at,
    value,
    toString(source) as source,
    id,
    dimensions,
    received_at
from events
where received_at <= {received_through:DateTime64(6, 'UTC')}
