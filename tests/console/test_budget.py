"""The budget's page, and what the overview says of it; a stranger finds neither."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from meterbook.budgets.watch import watch_budgets
from meterbook.house import House
from tests.console.browser import Browser
from tests.console.staff import CUSTOMER, at_the_desk, customer_of, done, send, words
from tests.office import Office

MONTH = "2027-07-02T10:00:00Z"


@pytest.fixture
def code(office: Office) -> str:
    """An account that spent 40 dollars in the running month, with somebody who holds its billing."""
    code = office.account()
    office.use(code, "40", MONTH)
    customer_of(office, code, f"{code}-{CUSTOMER}")
    return code


@pytest.fixture
def browser(installation: tuple[Office, House], code: str) -> Iterator[Browser]:
    with at_the_desk(*installation, email=f"{code}-{CUSTOMER}") as browser:
        yield browser


def test_a_budget_is_set_seen_told_of_and_removed(browser: Browser, office: Office, code: str) -> None:
    overview = browser.get("/overview")
    assert "Set a budget" in overview.text
    path = f"/budget?account={code}"
    assert f'href="{path}"' in overview.text
    page = browser.get(path)
    assert "A letter goes to you when 50%, 80%, 100% are used." in words(page)
    page = browser.get(done(send(browser, page, path, amount="50")))
    assert "The budget is saved." in words(page)
    assert "80% $40.00 of $50.00" in words(page)
    assert 'max="5000" value="4000"' in page.text
    assert "Nothing yet" in words(page)
    watch_budgets(office.database.transaction, office.usage, office.now)
    page = browser.get(path)
    assert "July 2027 Jul 3 00:17 80% 40.00 of 50.00" in words(page)
    sheet = f"/budget.csv?account={code}"
    forecast = re.search(r"forecast \$([\d,.]+\d)", words(page))
    assert forecast
    assert f'href="{sheet}"' in page.text
    assert browser.get(sheet).text.splitlines() == [
        "\ufeffMonth,What,Time,Budget (USD),Used then (USD),Budget used (%),Forecast (USD)",
        f"2027-07,So far,2027-07-02 11:00,50.00,40.00,80.0,{forecast[1].replace(',', '')}",
        "2027-07,Reached,2027-07-03 00:17,50.00,40.00,80,",
        "2027-07,Reached,2027-07-03 00:17,50.00,40.00,50,",
    ]
    assert "80% $40.00 of $50.00" in words(browser.get("/overview"))
    assert "Budget" not in words(browser.get("/overview?month=2027-06"))
    page = browser.get(path)
    page = browser.get(done(send(browser, page, f"/budget/remove?account={code}")))
    assert "The budget is removed." in words(page)
    assert len(browser.get(sheet).text.splitlines()) == 1
    assert "budget.csv" not in page.text
    assert 'value=""' in page.text


def test_what_is_over_says_so(browser: Browser, code: str) -> None:
    path = f"/budget?account={code}"
    page = browser.get(done(send(browser, browser.get(path), path, amount="30")))
    assert "133.3% $40.00 of $30.00 It is used up." in words(page)
    assert 'max="3000" value="3000"' in page.text
    assert "budget-standing over" in page.text


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The amount has to be above zero."),
        ("ko", "금액은 0보다 커야 합니다."),
        ("ja", "金額は0より大きくしてください。"),
    ],
)
def test_a_wrong_amount_is_told_beside_the_field(browser: Browser, code: str, language: str, told: str) -> None:
    path = f"/budget?account={code}"
    answer = send(browser, browser.get(f"{path}&lang={language}"), path, amount="0")
    assert answer.status_code == 422
    assert re.search(rf'id="amount-fault"[^>]*>{re.escape(told)}<', answer.text)
    assert 'value="0"' in answer.text


def test_a_form_of_another_site_sets_no_budget(browser: Browser, code: str) -> None:
    for path in (f"/budget?account={code}", f"/budget/remove?account={code}"):
        assert browser.post(path, data={"amount": "1", "form_token": "x"}).status_code == 403
    assert "Set a budget" in browser.get("/overview").text


def test_to_a_stranger_there_is_no_budget(office: Office, browser: Browser) -> None:
    other = office.account()
    page = browser.get("/budget")
    for path in ("/budget", "/budget.csv"):
        assert browser.get(f"{path}?account={other}").status_code == 404
    token = re.search(r'name="form_token" value="([^"]+)"', page.text)
    assert token
    sent = {"amount": "1", "form_token": token[1]}
    for path in (f"/budget?account={other}", f"/budget/remove?account={other}"):
        assert browser.post(path, data=sent).status_code == 404
