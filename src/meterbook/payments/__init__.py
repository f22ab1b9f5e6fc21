"""Money that comes in and goes back: payment information, gateways, collecting, recording, refunding.

Owns the tables of tables.py and the gateways. Does not own invoices, and books through the ledger alone. Invariants:
no card number is taken, stored or logged, only a gateway's references; one key has one effect at a gateway, however
often it is tried; a gateway's news counts once, and only with a right and recent signature.
"""
