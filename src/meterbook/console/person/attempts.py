"""How often a visitor may try: to sign in, and to have letters sent; counted in this process."""

from __future__ import annotations

import ipaddress
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

# Attempts that failed: for one person from one address, and from one address for everybody.
_OF_A_PERSON: Final = parse("10 per 5 minutes")
_OF_AN_ADDRESS: Final = parse("60 per 5 minutes")
# Letters that were asked for: for one person from one address, for one person from everywhere, from one address.
_LETTERS_OF_A_PERSON: Final = parse("3 per 15 minutes")
_LETTERS_FOR_A_PERSON: Final = parse("12 per 1 hour")
_LETTERS_OF_AN_ADDRESS: Final = parse("30 per 15 minutes")
# Invitations one person sends.
_INVITATIONS: Final = parse("60 per 1 hour")
_IPV6_SUBSCRIBER: Final = 64  # bits of an IPv6 address that one subscriber cannot change


class Attempts:
    """How often signing in failed lately, in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def begin(self, address: str, email: str) -> bool:
        """Count an attempt of a person, before the password is looked at; whether it may go ahead."""
        network = _network(address)
        return self._limiter.test(_OF_AN_ADDRESS, network) and self._limiter.hit(
            _OF_A_PERSON, network, _one_person(email)
        )

    def failed(self, address: str) -> None:
        """Count a failure against the address it came from."""
        self._limiter.hit(_OF_AN_ADDRESS, _network(address))

    def succeeded(self, address: str, email: str) -> None:
        """Forget the person's failures: whoever knows the password is not guessing it."""
        self._limiter.clear(_OF_A_PERSON, _network(address), _one_person(email))


class LettersAsked:
    """How many letters were asked for lately, in this process."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def may_ask(self, address: str, email: str) -> bool:
        """Count a visitor's wish for a letter to a person, whoever that is; whether it may be sent."""
        network, person = _network(address), _one_person(email)
        return self._all(
            (_LETTERS_OF_AN_ADDRESS, (network,)),
            (_LETTERS_OF_A_PERSON, (network, person)),
            (_LETTERS_FOR_A_PERSON, ("", person)),
        )

    def may_invite(self, inviter: str) -> bool:
        """Count an invitation that somebody sends; whether it may be."""
        return self._limiter.hit(_INVITATIONS, inviter)

    def _all(self, *limits: tuple[RateLimitItem, tuple[str, ...]]) -> bool:
        return all(self._limiter.test(limit, *who) for limit, who in limits) and all(
            self._limiter.hit(limit, *who) for limit, who in limits
        )


def _one_person(email: str) -> str:
    return email.strip().lower()[:254]


def _network(address: str) -> str:
    """Return what stands for a visitor: the IPv4 address, or the IPv6 network that one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SUBSCRIBER), strict=False))
