"""The books: double entry, append-only, the one truth about what is owed, paid, prepaid and credited.

Owns the tables of tables.py. post.py is the only writer; queries.py derives balances from entries alone; check.py
proves that they hold. Does not own why an entry is made. Invariants: every entry balances in one currency; the
database itself refuses to change or delete one; an entry exists once by its reason and source.
"""
