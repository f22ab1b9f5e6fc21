"""What leaves Meterbook for other programs: a month's charges in the columns of FOCUS, as CSV or Parquet.

Owns the columns and the files. Does not own an amount: rows are made of the very draft or invoice that is shown, and
their costs add up to its total less the promotional credit it used.
"""
