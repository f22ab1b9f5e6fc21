"""How the demo's generated accounts pay: payment information, promotions, the months that are closed, money."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from meterbook.core.period import BillingMonth, billing_zone
from meterbook.demo.accounts import GENERATED, GENERATED_WON

MONTHS_CLOSED: Final = 3
_GRACE: Final = timedelta(hours=48)
_SINCE: Final = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class DemoMonth:
    """A month that is over: when it was closed, and the day its invoice was paid by transfer, if it was."""

    month: str
    closed_at: str
    paid_on: str | None


@dataclass(frozen=True, slots=True)
class DemoBilling:
    """An account's payment information and promotions (bodies of the API), closed months, prepaid amounts, a budget."""

    code: str
    information: dict[str, Any]
    promotions: tuple[dict[str, Any], ...]
    months: tuple[DemoMonth, ...]
    top_ups: tuple[str, ...] = ()
    budget: str | None = None

    @property
    def since(self) -> str | None:
        """When its codes are registered: as the first month is closed, None for now."""
        return self.months[0].closed_at if self.months else None


def demo_billing(now: datetime) -> tuple[DemoBilling, ...]:
    """Return the billing of the generated accounts; months whose grace period is over at `now` are closed."""
    return (
        DemoBilling(
            GENERATED,
            {
                "account": GENERATED,
                "method": "send_invoice",
                "company": "Acme Observability (generated)",
                "registration_number": "EX-1001",
                "recipient": "Accounts payable",
                "email": "billing@acme.example",
                "cc": ["finance@acme.example"],
                "language": "en",
            },
            (
                {
                    "code": "LAUNCH15",
                    "name": "Launch year: 15% off APM",
                    "kind": "percent",
                    "value": "15",
                    "applies_to": "line",
                    "products": ["apm"],
                    "from": _SINCE,
                },
                {
                    "code": "HELLO250",
                    "name": "Welcome credit",
                    "kind": "credit",
                    "value": "250.00",
                    "currency": "USD",
                    "from": _SINCE,
                },
            ),
            _months(now, "UTC", paid=2),
            budget="5000.00",
        ),
        DemoBilling(
            GENERATED_WON,
            {
                "account": GENERATED_WON,
                "method": "bank_transfer",
                "company": "Saebom Games (generated)",
                "registration_number": "000-00-00000",
                "recipient": "재무팀",
                "email": "billing@saebom.example",
                "cc": [],
                "language": "ko",
            },
            (
                {
                    "code": "SAEBOM10",
                    "name": "10% 할인",
                    "kind": "percent",
                    "value": "10",
                    "applies_to": "invoice",
                    "from": _SINCE,
                },
            ),
            _months(now, "Asia/Seoul", paid=3),
            ("500000",),
        ),
    )


def _months(now: datetime, zone_name: str, paid: int) -> tuple[DemoMonth, ...]:
    """Return the last months before the running one, oldest first; the first `paid` of them are paid, by the 20th."""
    zone = billing_zone(zone_name)
    # usage is generated for months of UTC, whatever month it is at the account's
    month = BillingMonth.of(now, billing_zone("UTC"))
    for _ in range(MONTHS_CLOSED):
        month = month.previous()
    months = []
    for number in range(MONTHS_CLOSED):
        closed_at = month.ends_at(zone) + _GRACE
        if closed_at <= now:
            next_month = month.next()
            paid_on = min(f"{next_month}-20", f"{zone.local(now):%Y-%m-%d}") if number < paid else None
            months.append(DemoMonth(str(month), closed_at.isoformat(), paid_on))
        month = month.next()
    return tuple(months)
