"""The console: the pages customers read, rendered on the server. A door: HTTP, HTML, cookies and the browser's rules.

Owns sign-in, the layout, the pages and their languages, and what the browser loads (assets/, built into static/).
Does not own amounts or access: acts answer, `Access` proves, and a page shows. Invariants: every page works without
JavaScript, every state of a page is in its address, no inline script or style, what a reader may not see is a 404.
"""
