"""Jobs: work that happens after its cause, or at its hour, on a queue in PostgreSQL (Procrastinate). A door.

Owns the worker, the list of handlers, the schedule, and what becomes of a job that failed or whose process died. Does
not own what a job does (an act of its room) or how one is queued (the outbox). Invariants: a job exists exactly if
its cause committed; it runs at least once, and again after a crash, so every handler is safe to repeat; each has
a bounded number of attempts; the handler reads the clock once and opens its own transactions.
"""
