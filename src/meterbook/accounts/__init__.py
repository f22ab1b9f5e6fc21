"""Who pays and who may: accounts, projects, users, memberships, sign-ins, keys, and the proof of access.

Owns the tables of tables.py and the visibility rules of DOMAIN 1. Does not own prices, usage or money, and knows no
HTTP. Invariants: an `Access` is made by prove.py alone; no token or password is stored, only its hash, nor any secret
but that of an app's codes; what an access may not see answers exactly like what does not exist; adding the very same
thing again changes nothing.
"""
