"""The demo's data: three accounts with their people, a price list, generated usage and the recorded series.

Owns what `meterbook demo` shows, as plain values; creates nothing and reads no clock. The same `now` always gives the
same values, and a later `now` only adds to them, so the demo can run again on the same folder.
"""
