select
    account_id,
    utc_offset,
    max(received_through) as received_through
from rolled
group by
    account_id,
    utc_offset
