"""An installation as a folder of files: for backups of one at work, and for moving to other stores and back.

Owns the form of the folder (manifest.py), writing it (write.py) and restoring it (restore.py). Does not own what lies
in the stores: every row goes out and comes back as it is, with its id. Invariants: the folder is complete or absent;
both stores are of one moment, usage reaching at least as far as the invoices; nothing is restored over something.
"""
