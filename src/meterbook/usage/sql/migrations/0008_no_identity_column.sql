alter table events
    drop column if exists identity
