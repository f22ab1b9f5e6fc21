"""The person at the browser: signing in and out, a forgotten password, an invitation, and their own settings."""
