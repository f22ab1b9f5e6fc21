"""How often a visitor may try: to sign in, and to have letters sent."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from typing import Final

from meterbook.tries import Limit, Tries

# Attempts that failed: for one person from one address, and from one address for everybody.
_OF_A_PERSON: Final = Limit("sign-in", 10, timedelta(minutes=5))
_OF_AN_ADDRESS: Final = Limit("sign-in from", 60, timedelta(minutes=5))
# Wrong codes of a person's app, from everywhere: whoever tries has the password.
_CODES: Final = Limit("code", 10, timedelta(hours=1))
# Letters that were asked for: for one person from one address, for one person from everywhere, from one address.
_LETTERS_OF_A_PERSON: Final = Limit("letter from", 3, timedelta(minutes=15))
_LETTERS_FOR_A_PERSON: Final = Limit("letter for", 12, timedelta(hours=1))
_LETTERS_OF_AN_ADDRESS: Final = Limit("letters from", 30, timedelta(minutes=15))
# Invitations one person sends.
_INVITATIONS: Final = Limit("invitation", 60, timedelta(hours=1))
_IPV6_SUBSCRIBER: Final = 64  # bits of an IPv6 address that one subscriber cannot change


class Attempts:
    """How often signing in failed lately."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def begin(self, now: datetime, address: str, email: str) -> bool:
        """Count an attempt of a person, before the password is looked at; whether it may go ahead."""
        network = _network(address)
        return self._tries.may(now, _OF_AN_ADDRESS, network) and self._tries.take(
            now, _OF_A_PERSON, network, _one_person(email)
        )

    def failed(self, now: datetime, address: str) -> None:
        """Count a failure against the address it came from."""
        self._tries.take(now, _OF_AN_ADDRESS, _network(address))

    def succeeded(self, address: str, email: str) -> None:
        """Forget the person's failures: whoever knows the password is not guessing it."""
        self._tries.forget(_OF_A_PERSON, _network(address), _one_person(email))

    def may_give_code(self, now: datetime, email: str) -> bool:
        """Count a code of a person's app, before it is looked at; whether it may be."""
        return self._tries.take(now, _CODES, _one_person(email))

    def gave_code(self, email: str) -> None:
        """Forget the person's wrong codes."""
        self._tries.forget(_CODES, _one_person(email))


class LettersAsked:
    """How many letters were asked for lately."""

    def __init__(self, tries: Tries) -> None:
        self._tries = tries

    def may_ask(self, now: datetime, address: str, email: str) -> bool:
        """Count a visitor's wish for a letter to a person, whoever that is; whether it may be sent."""
        network, person = _network(address), _one_person(email)
        limits = (
            (_LETTERS_OF_AN_ADDRESS, (network,)),
            (_LETTERS_OF_A_PERSON, (network, person)),
            (_LETTERS_FOR_A_PERSON, (person,)),
        )
        return all(self._tries.may(now, limit, *who) for limit, who in limits) and all(
            self._tries.take(now, limit, *who) for limit, who in limits
        )

    def may_invite(self, now: datetime, inviter: str) -> bool:
        """Count an invitation that somebody sends; whether it may be."""
        return self._tries.take(now, _INVITATIONS, inviter)


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
