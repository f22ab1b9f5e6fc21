"""Meterbook: usage by the hour in, invoices and every figure behind them out."""

__version__ = "0.1.0"
