"""Door: the command line.

Owns arguments, output and exit codes (0 done, 1 refused or failed, 2 wrong usage). Every command is a client of the
API: of the server that owns the data folder when one runs, else of the application opened in this process.
Invariant: with and without a server a command says and does the same.
"""
