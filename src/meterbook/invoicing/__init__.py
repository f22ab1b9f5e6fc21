"""Invoicing: the month's invoice, drafted from stored usage and prices.

Owns gathering the facts of a month (terms, prices, metered usage) and handing them to the core, which decides every
amount. Does not own usage, prices or the books. Invariant: a preview and a close are one and the same draft.
"""
