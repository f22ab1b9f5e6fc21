insert into event_identities (head, tail)
with
    $identity
select
    head,
    tail
from events
