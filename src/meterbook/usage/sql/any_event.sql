select
    1 as found
from events
where type = {type:String}
    and at >= {from:DateTime64(6, 'UTC')}
    $and_until
    $and_accounts
limit 1
