with
    unhex({identities:String}) as wanted
select
    identity
from events
semi join
(
    select
        toFixedString(substring(wanted, number * 16 + 1, 16), 16) as identity
    from numbers({count:UInt64})
) as sought using (identity)
