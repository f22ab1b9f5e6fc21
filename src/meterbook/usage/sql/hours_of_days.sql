select
    seen.1 as hour,
    toDecimal128(sum(seen.2), 9) as units,
    count() as resource_count,
    max(toUnixTimestamp64Micro(seen.4)) as last_at,
    arraySlice(
        arrayPartialSort(
            $deepest,
            groupArray((
                toUInt8(seen.3 != seen_at or seen_at < {noticed:DateTime64(6, 'UTC')}),
                $order,
                resource,
                toDecimal128(seen.2, 9),
                toUnixTimestamp64Micro(seen.3)
            ))
        ),
        1,
        $most
    ) as resources
from
(
    select
        resource,
        min(first_at) as seen_at,
        groupArrayIf(
            (hour, units, first_at, last_at),
            has({opened:Array(Int64)}, roundDown(hour * 3600 + {residue:Int64}, {days:Array(Int64)}))
        ) as hours
    from
    (
        select
            resource,
            intDiv(toUnixTimestamp64Second(at) - {residue:Int64}, 3600) as hour,
            $units as units,
            min(at) as first_at,
            max(at) as last_at
        from events
        where account_id = {account:UInt64}
            and project_id = {project:UInt64}
            and type = {type:String}
            and at >= {starts:DateTime64(6, 'UTC')}
            and at < {until:DateTime64(6, 'UTC')}
            $and_received
        group by
            resource,
            hour
    )
    group by resource
)
array join hours as seen
group by hour
settings
    -- one project's month is too little to divide, or to plan which columns to read first
    max_threads = 1,
    optimize_move_to_prewhere = 0
