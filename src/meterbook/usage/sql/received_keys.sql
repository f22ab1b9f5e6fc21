with
    $identity
select
    $key
from events
where received_at > {after:DateTime64(6, 'UTC')}
    and received_at <= {through:DateTime64(6, 'UTC')}
