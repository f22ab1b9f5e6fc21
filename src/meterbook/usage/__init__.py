"""Usage: raw events in, hourly units out.

Owns the events, their journal and their deduplication, and every count made of them. Does not own what a type of event
means (catalog), who may send it (accounts) or what it costs (core).

Invariants: an event acknowledged is on disk; (account, source, id) counts once and the first one stays; a read sees
everything that was acknowledged before it began; a stored event is never changed; no binary float touches a value.
"""
