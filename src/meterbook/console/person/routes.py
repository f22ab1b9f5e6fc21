"""All pages about the person who reads."""

from typing import Final

from meterbook.console.person import email, invitation, keys, own_account, password, people, sign_in, two_factor

ROUTERS: Final = tuple(
    module.router for module in (sign_in, password, email, invitation, own_account, two_factor, people, keys)
)
