select
    $key
from event_identities
