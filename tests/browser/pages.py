"""Every page of the console: who looks at it, and its address in the demo.

Addresses have places for what the demo makes up as it starts: the number of an invoice, the link of a letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.browser.desk import DEVELOPER, FINANCE, STAFF, VIEWER, Customer, Demo, close

Pages = dict[str, tuple[str | None, str]]

MY_USAGE: Final[Pages] = {
    "overview": (FINANCE, "/overview?account=acme"),
    "overview of a month that is over": (FINANCE, "/overview?account=saebom&month=2026-10"),
    "budget": (FINANCE, "/budget?account=acme"),
    "budget that is not set": (FINANCE, "/budget?account=saebom"),
    "usage": (FINANCE, "/usage?account=acme"),
    "usage of a project": (FINANCE, "/usage?account=acme&project=shop&open=2026-11-18"),
    "usage that is found": (DEVELOPER, "/usage?account=acme&q=prod"),
    "usage of a project in won": (FINANCE, "/usage?account=saebom&project=saebom-game"),
    "project usage": (FINANCE, "/project-usage?account=acme"),
    "project usage by product": (DEVELOPER, "/project-usage?account=acme&by=product&open=*"),
    "project usage without amounts": (VIEWER, "/project-usage?account=acme&open=*"),
    "invoice preview": (FINANCE, "/invoice-preview?account=acme"),
    "invoice preview by product": (FINANCE, "/invoice-preview?account=acme&by=product&open=*"),
    "invoice preview in won": (FINANCE, "/invoice-preview?account=saebom&open=*"),
    "invoice preview of two projects": (DEVELOPER, "/invoice-preview?account=acme&open=*"),
    "invoice preview of a month that is issued": (FINANCE, "/invoice-preview?account=acme&month=2026-10"),
    "invoice preview of a month without usage": (FINANCE, "/invoice-preview?account=acme&month=2020-01"),
    "metering": (FINANCE, "/metering?account=acme&project=shop&product=server&month=2026-11"),
    "metering of a day": (FINANCE, "/metering?account=acme&project=shop&product=apm&month=2026-11&day=2026-11-18"),
    "metering of a part of the month": (
        FINANCE,
        "/metering?account=acme&project=api&product=apm&month=2026-11&part=2026-11-16T00:00Z",
    ),
    "metering of days across months": (
        FINANCE,
        "/metering?account=acme&project=shop&product=server&from=2026-10-20&until=2026-11-12&open=2026-11-10",
    ),
    "usage across months": (FINANCE, "/usage?account=acme&project=shop&period=custom&from=2026-10-20&until=2026-11-12"),
    "metering, the events of an hour": (
        FINANCE,
        "/metering?account=acme&project=shop&product=server&month=2026-11&hour=2026-11-18T10:00Z",
    ),
    "metering of an invoice's line": (FINANCE, "/invoices/{invoice}/lines/1/metering"),
    "billing history": (FINANCE, "/billing-history?account=acme"),
    "billing history of a year": (FINANCE, "/billing-history?account=saebom&year=2026"),
    "billing history without invoices": (FINANCE, "/billing-history?account=cloudwatch"),
    "invoice": (FINANCE, "/invoices/{invoice}"),
    "invoice by product": (FINANCE, "/invoices/{invoice}?by=product&open=*"),
    "payment of an invoice": ("{card}", "/invoices/{unpaid}/pay"),
    "balance": (FINANCE, "/balance?account=saebom"),
    "balance of credit": (FINANCE, "/balance?account=acme"),
    "balance without money": (FINANCE, "/balance?account=cloudwatch"),
    "payment information": (FINANCE, "/payment-information?account=acme"),
    "payment information, the form": (FINANCE, "/payment-information?account=saebom&edit=1"),
    "payment information that is missing": (FINANCE, "/payment-information?account=cloudwatch"),
}

PERSON: Final[Pages] = {
    "sign-in": (None, "/sign-in"),
    "forgotten password": (None, "/forgotten-password"),
    "forgotten password, sent": (None, "/forgotten-password?done=sent"),
    "a new password": (None, "/password/{password}"),
    "a link that is over": (None, "/password/over"),
    "invitation": (None, "/invitation/{invitation}"),
    "a new email": (None, "/email/{email}"),
    "own account": (FINANCE, "/account"),
    "two-factor authentication": (FINANCE, "/account/two-factor"),
    "people": ("{card}", "/account/people?account={code}"),
    "keys": ("{card}", "/account/keys?account={code}"),
    "no account": ("{nobody}", "/overview"),
    "no such page": (FINANCE, "/nowhere"),
    "no such account": (DEVELOPER, "/billing-history?account=saebom"),
}

OPERATOR: Final[Pages] = {
    "operator": (STAFF, "/operator"),
    "accounts": (STAFF, "/operator/accounts"),
    "new account": (STAFF, "/operator/new-account"),
    "month report": (STAFF, "/operator/report?month=2026-10"),
    "month report of a month in which nothing was": (STAFF, "/operator/report?month=2020-01"),
    "journal": (STAFF, "/operator/journal"),
    "journal in which nothing is like that": (STAFF, "/operator/journal?by=nobody"),
    "audit log": (STAFF, "/operator/audit-log"),
    "audit log in which nothing is like that": (STAFF, "/operator/audit-log?by=nobody"),
    "account": (STAFF, "/operator/accounts/acme"),
    "terms of an account": (STAFF, "/operator/accounts/saebom/terms"),
    "account that owes": (STAFF, "/operator/accounts/{code}"),
    "give credit": (STAFF, "/operator/accounts/acme/credit"),
    "take back a credit": (STAFF, "/operator/accounts/{code}/credits/{credit}/withdraw"),
    "record a payment": (STAFF, "/operator/accounts/acme/record-payment"),
    "top up": (STAFF, "/operator/accounts/saebom/top-up"),
    "register a promotion": (STAFF, "/operator/accounts/acme/promotion"),
    "projects": (STAFF, "/operator/accounts/acme/projects"),
    "project": (STAFF, "/operator/accounts/acme/projects/mobile"),
    "people of an account": (STAFF, "/operator/accounts/acme/people"),
    "keys of an account": (STAFF, "/operator/accounts/acme/keys"),
    "refund": (STAFF, "/operator/payments/{payment}/refund"),
    "take back a payment": (STAFF, "/operator/payments/{payment}/return"),
    "invoice, for the operator": (STAFF, "/operator/invoices/{invoice}"),
    "write-off": (STAFF, "/operator/invoices/{unpaid}/write-off"),
    "reinstatement that is refused": (STAFF, "/operator/invoices/{unpaid}/reinstatement"),
    "credit note": (STAFF, "/operator/invoices/{invoice}/credit-note"),
    "closes": (STAFF, "/operator/closes"),
    "closes of a month": (STAFF, "/operator/closes?month=2026-10"),
    "closes, to confirm": (STAFF, "/operator/closes/confirm?month=2026-10&account={draft}"),
    "draft": (STAFF, "/operator/closes/2026-10/{draft}"),
    "month to leave unbilled": (STAFF, "/operator/closes/2026-10/{draft}/unbilled"),
    "promotions": (STAFF, "/operator/promotions"),
    "new promotion": (STAFF, "/operator/new-promotion"),
    "promotion": (STAFF, "/operator/promotions/LAUNCH15"),
    "promotion, to register": (STAFF, "/operator/promotions/LAUNCH15/register"),
    "promotion, to take back": (STAFF, "/operator/accounts/acme/promotions/LAUNCH15/withdraw"),
    "catalog": (STAFF, "/operator/catalog"),
    "catalog, a change": (STAFF, "/operator/catalog/change"),
    "verification": (STAFF, "/operator/verification"),
    "people who sign in": (STAFF, "/operator/people?who=all"),
    "the staff and its keys": (STAFF, "/operator/people"),
    "somebody who signs in": (STAFF, "/operator/people/{user}"),
    "preview, as the operator": (STAFF, "/invoice-preview?account=cloudwatch&month=2014-02"),
}

PAGES: Final[Pages] = {**MY_USAGE, **PERSON, **OPERATOR}

# Addresses that answer with a file, a part of a page or another address, and what only a form leads to.
NOT_PAGES: Final = {
    "/",
    "/sign-in/code",
    "/usage/projects",
    "/usage/days",
    "/payment-information/card",
    "/payment-information/test-card",
}


@dataclass(frozen=True)
class Places:
    """What addresses and persons of `PAGES` have places for."""

    values: dict[str, str]

    def of(self, name: str) -> tuple[str | None, str]:
        """Return who looks at a page, and its whole address."""
        person, path = PAGES[name]
        return person and person.format(**self.values), path.format(**self.values)


def furnish(demo: Demo) -> Places:
    """Add to the demo what pages are about: an unpaid invoice, a card, a credit, a draft, an invitation and more."""
    card, draft = demo.customer(), demo.customer()
    unpaid = demo.issued_without_card(card)
    demo.api("PUT", "/payment-information", {"account": card.code, "method": "card", **_card(card)})
    demo.api("POST", "/closes", close(draft, confirm=False))
    credit = demo.api("POST", "/balance/credits", {"account": card.code, "amount": "10.00", "name": "Outage"})
    newcomer = f"newcomer@{card.code}.example"
    demo.api("POST", "/invitations", {"email": newcomer, "account": card.code, "role": "viewer", "billing": False})
    demo.ask_for_password(VIEWER)
    other = f"other@{card.code}.example"
    demo.ask_for_email(card.email, other)
    paid = demo.api("GET", "/payments", account="acme")["items"]
    newest = demo.api("GET", "/invoices", account="acme")["items"]
    return Places(
        {
            "card": card.email,
            "code": card.code,
            "credit": str(credit["id"]),
            "draft": draft.code,
            "unpaid": unpaid,
            "invoice": newest[0]["number"],
            "payment": str(paid[0]["id"]),
            "invitation": demo.link(newcomer, "invitation"),
            "password": demo.link(VIEWER, "password"),
            "email": demo.link(other, "email"),
            "nobody": demo.person("nobody"),
            "user": "1",
        }
    )


def _card(customer: Customer) -> dict[str, str]:
    return {"gateway": "fake", "token": "fake_succeeds", "company": "Customer", "email": customer.email}
