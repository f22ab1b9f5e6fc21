select
    (select count() from events) as events,
    (select count() from event_identities) as identities
