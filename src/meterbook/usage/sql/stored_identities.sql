with
    unhex({identities:String}) as wanted
select
    head,
    tail
from event_identities
where (head, tail) in
(
    select
        reinterpretAsUInt64(substring(wanted, number * 16 + 1, 8)),
        reinterpretAsUInt64(substring(wanted, number * 16 + 9, 8))
    from numbers({count:UInt64})
)
