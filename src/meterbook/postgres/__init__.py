"""The embedded PostgreSQL: a real server out of a wheel, in one folder, shared by the processes that hold it.

Owns making its folder, starting, joining and stopping it; not what is in it (database.py, migrations). Invariants: it
never runs as root; nothing listens on the network; its files and its socket are its user's alone; the last process
that lets go stops it, and a process that was killed counts as having let go.
"""
