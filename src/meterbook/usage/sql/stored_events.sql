select
    count() as events,
    max(received_at) as latest
from events
