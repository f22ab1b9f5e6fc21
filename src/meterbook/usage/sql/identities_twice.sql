select
    count() - uniqExact(head, tail) as twice
from event_identities
where tail % {portions:UInt64} = {portion:UInt64}
