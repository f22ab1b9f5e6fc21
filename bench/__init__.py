"""Benchmarks: what Meterbook does on this machine, beside what the machine could do at most."""
