alter table events$local $on_cluster
    delete where type = ''
        and received_at = {received_at:DateTime64(6, 'UTC')}
    settings mutations_sync = 2
