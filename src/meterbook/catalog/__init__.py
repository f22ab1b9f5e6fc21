"""What is sold: products, their meters and their effective-dated prices, kept in a TOML file.

Owns reading the file with every mistake named by line and field, the difference to what is stored, and applying it.
Does not own the rules of prices (core/pricing.py) nor usage: whether a price was used is told by the door.
Invariants: a price that was used never changes and nothing is put before it; a mistake changes nothing at all;
applying the same file again changes nothing.
"""
