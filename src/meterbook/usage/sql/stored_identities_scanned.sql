with
    unhex({identities:String}) as wanted
select
    head,
    tail
from event_identities
semi join
(
    select
        reinterpretAsUInt64(substring(wanted, number * 16 + 1, 8)) as head,
        reinterpretAsUInt64(substring(wanted, number * 16 + 9, 8)) as tail
    from numbers({count:UInt64})
) as sought using (head, tail)
