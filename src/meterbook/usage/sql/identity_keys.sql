select
    tail
from event_identities
