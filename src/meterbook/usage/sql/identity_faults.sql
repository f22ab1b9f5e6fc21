with
(
    select (count(), sum(head), sum(tail))
    from event_identities
) as there,
(
    with
        $identity
    select (count(), sum(head), sum(tail))
    from events
) as wanted
select
    there.1 as identities,
    wanted.1 as events,
    there = wanted as agree
