"""What is refused is told in the reader's language, its amounts as the language writes them; the API speaks English."""

from __future__ import annotations

import pytest

from meterbook.console.formats import formats
from meterbook.core.money import Money, currency
from meterbook.core.period import BillingMonth
from meterbook.core.sentence import say
from meterbook.house import House
from tests.console.browser import Browser
from tests.console.staff import CUSTOMER, at_the_desk, customer_of, form_of, send, words
from tests.office import Office

CHANGE = "/operator/catalog/change"


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Line 1 has 5,000.00 left to credit, not 6,000.00."),
        ("ko", "1번 항목에서 감액할 수 있는 금액은 6,000.00이(가) 아니라 5,000.00까지입니다."),
        ("ja", "明細1で減額できるのは6,000.00ではなく5,000.00までです。"),
    ],
)
def test_an_act_of_money_says_why_it_cannot_be(staff: Browser, office: Office, language: str, told: str) -> None:
    number = office.issued(office.account(), "5000").number
    asked = {"look": "1", "line-1": "6000", "reason": "x", "lang": language}
    answer = staff.get(f"/operator/invoices/{number}/credit-note", params=asked)
    assert answer.status_code == 409
    assert told in words(answer)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "The account {code} exists already and differs: currency is USD there."),
        ("ko", "{code} 계정이(가) 이미 있으며 내용이 다릅니다: 현재 currency = USD."),
        ("ja", "アカウント{code}は既に存在し、内容が異なります: 現在currency = USD。"),
    ],
)
def test_a_sentence_within_a_sentence_is_told_too(staff: Browser, office: Office, language: str, told: str) -> None:
    code = office.account()
    name = office.row(code).name
    fields = {"code": code, "name": name, "currency": "EUR", "time_zone": "UTC", "language": "en"}
    page = staff.get("/operator/new-account", params={"lang": language})
    answer = send(staff, page, "/operator/new-account", **fields, tax_percent="0", tax_class="standard")
    assert answer.status_code == 409
    assert told.format(code=code) in words(answer)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("ko", "이 가격으로 사용량이 계산되었습니다. 그대로 두고 다음 가격을 이어서 추가하세요."),
        ("ja", "この価格で使用量が計算されています。残したまま、次の価格を続けてください。"),
    ],
)
def test_a_catalog_says_why_it_cannot_be_applied(staff: Browser, office: Office, language: str, told: str) -> None:
    office.use(office.account(), "10")
    page = staff.get(CHANGE, params={"lang": language})
    text = form_of(page, CHANGE)["catalog"].replace('unit_price = "1"', 'unit_price = "2"')
    compared = send(staff, page, CHANGE, catalog=text)
    assert told in words(compared)
    again = staff.post("/operator/catalog/apply", data=form_of(compared, CHANGE) | {"seen": "x"})
    assert again.status_code == 409
    assert told in words(again)


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "'2026-13' is not a month such as 2014-02."),
        ("ko", "'2026-13'은(는) 2014-02와 같은 월이 아닙니다."),
        ("ja", "'2026-13'は2014-02のような月ではありません。"),
    ],
)
def test_an_address_that_does_not_work_says_why(
    installation: tuple[Office, House], office: Office, language: str, told: str
) -> None:
    code = office.account()
    reader = f"{language}-{CUSTOMER}"
    customer_of(office, code, reader)
    with at_the_desk(*installation, email=reader) as browser:
        answer = browser.get("/invoice-preview", params={"account": code, "month": "2026-13", "lang": language})
    assert answer.status_code == 422
    assert told in words(answer)


def test_the_api_answers_in_english_whatever_language_is_asked_for(staff: Browser, office: Office) -> None:
    code = office.account()
    address = f"/api/v1/invoices/preview?account={code}&month=2026-13"
    answer = staff.get(address, headers={**staff.key, "accept-language": "ko"})
    assert answer.json()["detail"].startswith("'2026-13' is not a month such as 2014-02")


def test_amounts_and_months_are_written_as_the_language_writes_them() -> None:
    running = say("%(month)s is being closed just now: wait until that has ended.", month=BillingMonth(2026, 10))
    assert running == "2026-10 is being closed just now: wait until that has ended."
    assert formats("ja").said(running) == "2026年10月は現在締め処理中です。終わるまでお待ちください。"
    left = say("%(invoice)s has no line %(place)s.", invoice=Money(123456, currency("KRW")), place=7)
    assert left == "123456 has no line 7."
    assert formats("ko").said(left) == "123,456에 7번 항목이 없습니다."
    assert formats("ja").said("as it is: 100%") == "as it is: 100%"
    assert formats("ja").said("") == ""
