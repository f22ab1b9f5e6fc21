select
    count() as events,
    max(received_at) as latest
from events
where received_at > {after:DateTime64(6, 'UTC')}
