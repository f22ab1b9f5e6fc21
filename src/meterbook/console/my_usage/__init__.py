"""*My usage*: the pages customers read, one module for each, and beside it what that page presents.

Each page starts from an `AccountPage` (console/account_page.py), calls one act or read for its figures, and computes no
amount. What the reader may not see is a 404.
"""
