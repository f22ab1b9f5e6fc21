where account_id in {accounts:Array(UInt64)}
    and utc_offset = {utc_offset:Int32}
    and day >= {first_day:UInt32}
    and day <= {last_day:UInt32}
    $and_types
    $and_projects
