"""Door: JSON over HTTP, under /api/v1, and the health addresses beside it.

Owns routes, wire formats, status codes and problem documents. Proves access, opens the transaction and commits it,
calls one act, shows its answer. Decides nothing about money or usage. Invariant: every route names its permission.
"""
