"""`python -m meterbook` is the command line."""

from meterbook.cli.app import main

main()
