"""Where accounts stand: what each owes, what of it is overdue, what it has paid ahead; for many accounts at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from meterbook.accounts.tables import Account
from meterbook.core.money import Money, currency
from meterbook.core.period import billing_zone
from meterbook.database import among
from meterbook.invoicing.queries import invoices_by_id, standings
from meterbook.invoicing.tables import Invoice

PAGE: Final = 50
Only = Literal["", "unpaid", "overdue", "no-method", "limited", "closed"]

# `chosen` is cut to the page where nothing has to be known of the books before.
_STANDINGS: Final = """
    with today as (
        select * from unnest(cast(:zones as text[]), cast(:days as date[])) as t (zone, day)
    ),
    chosen as (
        select a.id, a.code, a.name, a.currency, a.time_zone, a.created_at, a.closed_at, t.day
        from account a
        join today t on t.zone = a.time_zone
        where (cast(:after as text) is null or a.code > :after)
        and (cast(:code as text) is null or a.code = :code)
        and (
            cast(:pattern as text) is null
            or a.code ilike :pattern
            or a.name ilike :pattern
            or a.billing_email ilike :pattern
            or exists (select from payment_information p where p.account_id = a.id and p.email ilike :pattern)
            or exists (
                select from membership m join "user" u on u.id = m.user_id
                where m.account_id = a.id and u.email ilike :pattern
            )
            or exists (select from invoice i where i.account_id = a.id and i.number = :number)
        )
        order by a.code
        limit :first
    ),
    open_invoice as (
        select po.account_id, po.invoice_id, sum(po.amount_minor) as minor
        from posting po
        where po.ledger_account = 'receivable' and po.account_id in (select id from chosen)
        group by po.account_id, po.invoice_id
        having sum(po.amount_minor) <> 0
    ),
    owed as (
        select o.account_id, sum(o.minor) as unpaid, sum(o.minor) filter (where i.due_on < c.day) as overdue
        from open_invoice o
        join invoice i on i.id = o.invoice_id
        join chosen c on c.id = o.account_id
        group by o.account_id
    ),
    held as (
        select account_id, -sum(amount_minor) as balance
        from posting
        where ledger_account = 'customer_balance' and account_id in (select id from chosen)
        group by account_id
    ),
    last_invoice as (
        select distinct on (account_id) account_id, id
        from invoice
        where number is not null and account_id in (select id from chosen)
        order by account_id, month desc
    ),
    standing as (
        select c.*, coalesce(owed.unpaid, 0) as unpaid, coalesce(owed.overdue, 0) as overdue,
            coalesce(held.balance, 0) as balance, p.method, p.method_label,
            l.id as invoice_id
        from chosen c
        left join owed on owed.account_id = c.id
        left join held on held.account_id = c.id
        left join last_invoice l on l.account_id = c.id
        left join payment_information p on p.account_id = c.id
        where case cast(:only as text)
            when 'unpaid' then coalesce(owed.unpaid, 0) <> 0
            when 'overdue' then coalesce(owed.overdue, 0) <> 0
            when 'no-method' then p.account_id is null and c.closed_at is null
            when 'limited' then exists (select from project where account_id = c.id and limited_at is not null)
            when 'closed' then c.closed_at is not null
            else true
        end
    )
    """
_BY_CODE: Final = "select * from standing order by code limit :limit"
_SUMS: Final = """
    select currency, count(*) as accounts, sum(unpaid) as unpaid, sum(overdue) as overdue, sum(balance) as balance,
        count(*) filter (where overdue <> 0) as overdue_accounts
    from standing
    group by currency
    order by currency
    """
_ROWS: Final = text(_STANDINGS + _BY_CODE)
_TOTALS: Final = text(_STANDINGS + _SUMS)


@dataclass(frozen=True, slots=True)
class AccountStanding:
    """One account: what is unpaid, what of it overdue, its prepaid money, how it pays, its newest invoice.

    `method` is None while no payment information is registered; `invoice` and `status` are of the newest invoice;
    `closed_at` is None while the account is open.
    """

    code: str
    name: str
    currency: str
    time_zone: str
    unpaid: Money
    overdue: Money
    balance: Money
    method: str | None
    method_label: str | None
    invoice: Invoice | None
    status: str | None
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class CurrencyTotals:
    """The sums of the accounts billed in one currency."""

    currency: str
    accounts: int
    overdue_accounts: int
    unpaid: Money
    overdue: Money
    balance: Money


def account_standings(
    session: Session, now: datetime, *, search: str = "", only: Only = "", after: str = "", limit: int | None = PAGE
) -> list[AccountStanding]:
    """Return accounts by code, those `after` a code, at most `limit` (None: all); for the operator.

    `search` is a part of a code, a name or an e-mail (billing, payment information, members), or an invoice's number.
    Overdue is what was due before today, on each account's own calendar.
    """
    # where `only` decides who is among the first, the books of all have to be looked at
    return _found(session, now, _values(session, now, search, only, after), None if only else limit, limit)


def account_standing(session: Session, now: datetime, code: str) -> AccountStanding | None:
    """Return where one account stands, None if there is none of that code; for the operator."""
    return next(iter(_found(session, now, {**_values(session, now, "", "", ""), "code": code}, None, None)), None)


def totals_by_currency(session: Session, now: datetime, *, search: str = "", only: Only = "") -> list[CurrencyTotals]:
    """Return the sums of all accounts that a search finds, by currency."""
    rows = session.execute(_TOTALS, {**_values(session, now, search, only, ""), "first": None})
    return [
        CurrencyTotals(
            currency=row.currency,
            accounts=row.accounts,
            overdue_accounts=row.overdue_accounts,
            unpaid=Money(int(row.unpaid), money),
            overdue=Money(int(row.overdue), money),
            balance=Money(int(row.balance), money),
        )
        for row in rows
        for money in [currency(row.currency)]
    ]


def _found(
    session: Session, now: datetime, values: dict[str, Any], first: int | None, limit: int | None
) -> list[AccountStanding]:
    rows = session.execute(_ROWS, {**values, "first": first, "limit": limit}).all()
    invoices = invoices_by_id(session, [row.invoice_id for row in rows if row.invoice_id is not None])
    accounts = {
        each.id: each for each in session.scalars(select(Account).where(among(Account.id, [row.id for row in rows])))
    }
    stand = standings(session, [(invoice, accounts[invoice.account_id]) for invoice in invoices.values()], now)
    return [
        AccountStanding(
            code=row.code,
            name=row.name,
            currency=row.currency,
            time_zone=row.time_zone,
            unpaid=Money(int(row.unpaid), money),
            overdue=Money(int(row.overdue), money),
            balance=Money(int(row.balance), money),
            method=row.method,
            method_label=row.method_label,
            invoice=invoices.get(row.invoice_id),
            status=stand[row.invoice_id].status if row.invoice_id in stand else None,
            closed_at=row.closed_at,
        )
        for row in rows
        for money in [currency(row.currency)]
    ]


def _values(session: Session, now: datetime, search: str, only: str, after: str) -> dict[str, Any]:
    wanted = search.strip()
    if wanted and not wanted.isprintable():
        wanted = " "  # found nowhere: no code, name or e-mail is written like it
    zones = session.scalars(select(Account.time_zone).distinct()).all()
    escaped = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return {
        "zones": zones,
        "days": [billing_zone(zone, True).local(now).date() for zone in zones],
        "pattern": f"%{escaped}%" if wanted else None,
        "number": wanted.upper(),
        "only": only,
        "code": None,
        "after": after if after and after.isprintable() else None,
    }
