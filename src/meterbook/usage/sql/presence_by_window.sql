select
    '$rule' as rule,
    project_id,
    type,
    $resource as resource,
    window,
    toDecimal128(sum(bitmapCardinality(hours)), 9) as quantity,
    groupBitmapMerge(hours) as usage_hours
from
(
    select
        project_id,
        type,
        resource,
        roundDown(toUnixTimestamp64Second(at), {windows:Array(Int64)}) as window,
        groupBitmapState(toUInt32(intDiv(toUnixTimestamp64Second(at) - {residue:Int64}, 3600))) as hours
    from events
    where account_id = {account:UInt64}
        and at >= {starts:DateTime64(6, 'UTC')}
        and at < {until:DateTime64(6, 'UTC')}
        and type in {$types:Array(String)}
        $and_projects
    group by
        project_id,
        type,
        resource,
        window
)
group by
    project_id,
    type,
    resource,
    window
