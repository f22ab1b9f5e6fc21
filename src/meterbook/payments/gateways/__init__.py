"""The gateways that are shipped: fake, stripe, bank transfer; open.py opens one by its name.

Own how each of them is spoken to. Do not own when a card is charged, nor what an answer does to the books. Invariants:
each repeats safely by its key; none lets a card number through; what cannot be known raises `Busy`.
"""
