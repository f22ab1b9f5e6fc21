"""The pure mathematics of billing: money, periods, metering, prices, rating, tax, invoices.

Owns every rule that decides an amount or a quantity. Does no I/O, reads no clock, knows no framework; imports the
standard library only. Values are frozen dataclasses; money is integers of minor units, everything on the way there is
an exact `Decimal` or `Fraction`.
"""
