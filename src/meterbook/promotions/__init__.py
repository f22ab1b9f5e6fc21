"""Promotion codes, who redeemed them, and promotional credit granted by them.

Owns the tables of tables.py, the reasons for which a code is refused (DOMAIN 5), and which promotions and credits an
account holds. Does not own what a promotion takes off an invoice (core/discounts.py) nor what credit pays. Invariants:
a code is redeemed once by an account and no more often in all than it allows, however many try at once; what was
redeemed is never edited.
"""
