"""Budgets: each threshold of a month is noted once, told once, and only of what is really spent."""

from __future__ import annotations

import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from meterbook.accounts.change_account import change_account
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code, all_projects
from meterbook.budgets.queries import alerts_of, budget_of, budget_standing
from meterbook.budgets.set_budget import remove_budget, set_budget
from meterbook.budgets.watch import watch_budgets
from meterbook.core.budget import reached, used_percent
from meterbook.core.period import BillingMonth
from meterbook.database import Database
from meterbook.errors import Invalid
from meterbook.invoicing.draft import Payer, draft_month
from meterbook.settings import Settings
from meterbook.usage.store import UsageStore
from tests.office import Office, usd, utc

JUNE = "2027-06-20T12:12:00Z"


@pytest.fixture
def office(database: Database, usage: UsageStore, tmp_path: Path) -> Office:
    settings = Settings(data_dir=tmp_path, public_url="https://billing.example", legal_entity_name="Seller Inc.")
    return Office(database, usage, settings, utc(JUNE))


def budgeted(office: Office, amount: str, *, by: str = "ann@customer.example", **of: str) -> str:
    """Add an account with a budget."""
    code = office.account(**of)
    put(office, code, amount, by)
    return code


def put(office: Office, code: str, amount: str, by: str = "ann@customer.example") -> None:
    with office.database.transaction() as session:
        set_budget(session, office.now, account=office.row(code), amount=amount, by=by)


def watch(office: Office) -> None:
    """Have the watch go round, and send what it queued."""
    watch_budgets(office.database.transaction, office.usage, office.now)
    office.work()


def told(office: Office, code: str) -> list[tuple[str, int]]:
    """Return the alerts of an account, oldest first."""
    with office.database.transaction() as session:
        found = budget_of(session, office.row(code).id)
        assert found is not None
        return sorted((alert.month, alert.percent) for alert in alerts_of(session, found))


def letters(office: Office) -> list[EmailMessage]:
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in office.letters()]


def text_of(letter: EmailMessage) -> str:
    body = letter.get_body()
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize(
    ("spent", "thresholds"),
    [
        ("0.00", ()),
        ("166.66", ()),
        ("166.67", (50,)),
        ("266.66", (50,)),
        ("266.67", (50, 80)),
        ("333.33", (50, 80, 100)),
        ("9999.00", (50, 80, 100)),
    ],
)
def test_thresholds_are_compared_exactly(spent: str, thresholds: tuple[int, ...]) -> None:
    # half of 333.33 is 166.665, four fifths 266.664
    assert reached(usd(spent), usd("333.33")) == thresholds


def test_the_share_is_shown_to_one_decimal() -> None:
    assert str(used_percent(usd("1.00"), usd("3.00"))) == "33.3"
    assert str(used_percent(usd("6.00"), usd("3.00"))) == "200.0"


def test_each_threshold_is_told_once(office: Office) -> None:
    code = budgeted(office, "100")
    office.use(code, "49.99")
    watch(office)
    assert (told(office, code), office.letters()) == ([], [])
    office.use(code, "0.01", "2027-06-11T10:00:00Z")
    watch(office)
    watch(office)
    assert told(office, code) == [("2027-06", 50)]
    assert len(office.letters()) == 1
    office.use(code, "60", "2027-06-12T10:00:00Z")
    watch(office)
    watch(office)
    assert told(office, code) == [("2027-06", 50), ("2027-06", 80), ("2027-06", 100)]
    subjects = sorted(str(letter["subject"]) for letter in letters(office))
    assert subjects == [f"{percent}% of the budget for June 2027 is used: {code}" for percent in (100, 50)]


def test_a_new_month_begins_anew(office: Office) -> None:
    code = budgeted(office, "10")
    office.use(code, "10")
    watch(office)
    office.now = utc("2027-07-02T00:12:00Z")
    watch(office)
    assert told(office, code) == [("2027-06", 50), ("2027-06", 80), ("2027-06", 100)]
    office.use(code, "5", "2027-07-01T10:00:00Z")
    watch(office)
    assert told(office, code)[-1] == ("2027-07", 50)


def test_what_a_month_reached_in_its_last_hour_is_told_on_the_next_day(office: Office) -> None:
    code, other = budgeted(office, "10"), budgeted(office, "10")
    office.use(code, "6")
    watch(office)
    office.now = utc("2027-07-01T00:12:00Z")
    young = budgeted(office, "10")
    for account in (code, young):
        office.use(account, "9", "2027-06-30T23:40:00Z")
    watch(office)
    watch(office)
    assert told(office, code) == [("2027-06", 50), ("2027-06", 80), ("2027-06", 100)]
    assert len(office.letters()) == 2
    assert told(office, young) == [], "a budget that is younger than a month says nothing about it"
    # from the second day on the month before is over for budgets
    office.now = utc("2027-07-02T00:00:00Z")
    office.use(other, "9", "2027-06-30T23:50:00Z")
    watch(office)
    assert told(office, other) == []


def test_a_long_name_still_makes_a_letter(office: Office) -> None:
    code = budgeted(office, "10")
    with office.database.transaction() as session:
        change_account(session, account=account_by_code(session, code, prove_local("a", "a")), name="n" * 200)
    office.use(code, "10")
    watch(office)
    [letter] = letters(office)
    assert "n" * 79 + "…" in str(letter["subject"])


def test_what_is_spent_is_the_total_of_the_preview(office: Office) -> None:
    code = budgeted(office, "100", tax="10")
    office.use(code, "72.72")
    with office.database.transaction() as session:
        account = office.row(code)
        payer = Payer(account, all_projects(session, [account.id])[account.id], True)
        draft = draft_month(session, office.usage, payer, BillingMonth(2027, 6), office.now)
        standing = budget_standing(session, account, draft)
    assert standing is not None
    assert (str(standing.spent), str(standing.used_percent)) == ("79.99", "80.0")
    watch(office)
    assert told(office, code) == [("2027-06", 50)], "79.99 of 100 is shown as 80.0%, and is not 80%"


def test_the_letter_says_how_it_stands_in_the_accounts_language(office: Office) -> None:
    code = budgeted(office, "20", language="ko")
    office.register(code)
    office.use(code, "18")
    watch(office)
    [letter] = letters(office)
    assert letter["to"] == f"{code}@money.example"
    assert letter["subject"] == f"2027년 6월 예산의 80% 사용: {code}"
    text = text_of(letter)
    assert "예산: US$20.00" in text
    assert "현재까지 사용 금액 (부가세 포함): US$18.00" in text
    assert f"https://billing.example/overview?account={code}" in text
    assert text.rstrip().endswith("Seller Inc.")


def test_without_payment_information_it_goes_to_who_set_it(office: Office) -> None:
    office.use(budgeted(office, "10"), "9")
    office.use(budgeted(office, "10", by="mbk_a_0123456789"), "9")
    watch(office)
    assert [letter["to"] for letter in letters(office)] == ["ann@customer.example"]


def test_another_amount_forgets_the_running_months_alerts(office: Office) -> None:
    code = budgeted(office, "10")
    office.use(code, "9")
    watch(office)
    put(office, code, "10.00")
    assert told(office, code) == [("2027-06", 50), ("2027-06", 80)], "the same amount changes nothing"
    put(office, code, "100")
    assert told(office, code) == []
    watch(office)
    assert told(office, code) == []
    put(office, code, "9")
    watch(office)
    assert told(office, code)[-1] == ("2027-06", 100)
    assert len({letter["message-id"] for letter in letters(office)}) == 2


def test_a_letter_that_waits_for_a_budget_that_is_gone_is_not_sent(office: Office) -> None:
    code = budgeted(office, "10")
    office.use(code, "9")
    watch_budgets(office.database.transaction, office.usage, office.now)
    with office.database.transaction() as session:
        remove_budget(session, account=office.row(code))
    office.work()
    assert office.letters() == []


def test_two_watches_at_once_tell_once(office: Office) -> None:
    codes = [budgeted(office, "10") for _ in range(5)]
    for code in codes:
        office.use(code, "8.50")
    start = threading.Barrier(4)

    def go() -> None:
        start.wait()
        watch_budgets(office.database.transaction, office.usage, office.now)

    threads = [threading.Thread(target=go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    office.work()
    assert len(office.letters()) == len(codes)


@pytest.mark.parametrize("wrong", ["", "0", "-5", "ten", "1.005", "NaN", "1e99"])
def test_an_amount_that_is_none_is_refused_and_changes_nothing(office: Office, wrong: str) -> None:
    code = budgeted(office, "10")
    with pytest.raises(Invalid):
        put(office, code, wrong)
    with office.database.transaction() as session:
        found = budget_of(session, office.row(code).id)
    assert found is not None
    assert found.amount_minor == 1_000
