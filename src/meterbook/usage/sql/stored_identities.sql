with
    unhex({identities:String}) as wanted
select
    identity
from events
where identity in
(
    select
        toFixedString(substring(wanted, number * 16 + 1, 16), 16)
    from numbers({count:UInt64})
)
