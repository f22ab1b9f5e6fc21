insert into rolled
select
    arrayJoin({accounts:Array(UInt64)}) as account_id,
    {utc_offset:Int32} as utc_offset,
    {received_through:DateTime64(6, 'UTC')} as received_through
