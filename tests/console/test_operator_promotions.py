"""Promotion codes from the staff's pages: every kind, what is refused, and who registered one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from meterbook.house import House
from meterbook.promotions.queries import promotion_by_code
from tests.console.browser import Browser
from tests.console.staff import at_the_desk, customer_of, done, send, words
from tests.office import Office

NEW = "/operator/new-promotion"


@pytest.mark.parametrize(
    ("kind", "fields", "shown"),
    [
        ("percent", {"value": "12.5"}, "Discount rate 12.5%"),
        ("amount", {"value": "30.00", "currency": "usd", "applies_to": "invoice"}, "Amount off $30.00"),
        ("fixed_price", {"value": "9.5", "currency": "KRW", "products": "calls"}, "Fixed price 9.5 KRW"),
        ("free_quantity", {"value": "1000", "free_unit": "quantity", "carry_over": "1"}, "Free quantity 1,000 units"),
        ("credit", {"value": "250", "currency": "USD", "until": "2027-12-31T00:00"}, "Promotional credit $250.00"),
    ],
)
def test_every_kind_is_added_and_shown(
    staff: Browser, office: Office, kind: str, fields: dict[str, str], shown: str
) -> None:
    code = f"KIND-{kind}".upper().replace("_", "-")
    page = staff.get(NEW, params={"kind": kind})
    assert done(send(staff, page, NEW, code=code.lower(), name="<b>bold</b>", **fields)) == (
        f"/operator/promotions/{code}?done=promotion-added"
    )
    listed = staff.get("/operator/promotions")
    assert "<b>bold" not in listed.text
    assert f"{code} <b>bold</b> {shown}" in words(listed)
    sheet = staff.get("/operator/promotions", params={"format": "csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    (line,) = [line for line in sheet.text.splitlines() if line.startswith(f"{code},")]
    assert f",{fields['value']}" in line
    with office.database.transaction() as session:
        row = promotion_by_code(session, code)
        assert (row.kind, row.stackable, row.carry_over) == (kind, False, "carry_over" in fields)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"code": "x"}, "code", "2 to 40"),
        ({"value": "ten"}, "value", "a number such as"),
        ({"value": "101"}, "value", "100 at most"),
        ({"currency": "XXQ"}, "currency", "ISO 4217"),
        ({"from": "2027-08-01T00:00", "until": "2027-07-01T00:00"}, "until", "end after it begins"),
        ({"products": "calls, hosst"}, "products", "no product hosst"),
        ({"products": "calls", "projects": "nowhere"}, "projects", "no project nowhere"),
        ({"value": "1e1"}, "value", "a number such as"),
        ({"months": "\uff15"}, "months", "whole number"),
        ({"months": "0"}, "months", "whole number"),
        ({"priority": "5000"}, "priority", "-1000 to 1000"),
        ({"redemptions_max": "many"}, "redemptions_max", "whole number"),
    ],
)
def test_a_wrong_field_is_named(staff: Browser, fields: dict[str, str], field: str, message: str) -> None:
    good: dict[str, Any] = {"code": "REFUSED", "value": "10"}
    answer = send(staff, staff.get(NEW), NEW, **(good | fields))
    assert answer.status_code == 422
    found = re.search(rf'id="wrong-{field}">([^<]+)<', answer.text)
    assert found, words(answer)
    assert message in found[1]
    assert staff.get("/operator/promotions/REFUSED").status_code == 404


def test_a_code_that_is_there_with_other_terms_is_refused(staff: Browser) -> None:
    done(send(staff, staff.get(NEW), NEW, code="TWICE", value="10"))
    answer = send(staff, staff.get(NEW), NEW, code="twice", value="20")
    assert answer.status_code == 409
    assert "is there already with another name, value" in words(answer)


def test_it_is_registered_for_an_account_after_a_look(staff: Browser, office: Office) -> None:
    done(
        send(
            staff,
            staff.get(f"{NEW}?kind=credit"),
            NEW,
            code="GIFT",
            value="20",
            currency="USD",
            **{"from": "2027-06-01T00:00"},
        )
    )
    code = office.account()
    office.register(code)
    office.issued(code, "50")
    register = "/operator/promotions/GIFT/register"
    unknown = staff.get(register, params={"account": "nobody"})
    assert unknown.status_code == 404
    assert 'id="wrong-account"' in unknown.text
    look = staff.get(register, params={"account": code}).headers["location"]
    page = staff.get(look)
    assert re.search(r"Unpaid of INV-2027-\d+ 50.00 30.00", words(page))
    path = f"/operator/accounts/{code}/promotion"
    done(send(staff, page, path))
    told = words(staff.get("/operator/promotions/GIFT"))
    assert f"{code} Jul 3, 2027 staff@operator.example $20.00" in told
    sheet = staff.get("/operator/promotions/GIFT", params={"format": "csv"}).text
    assert sheet.splitlines()[1:] == [f"{code},{code},2027-07-03,staff@operator.example,USD,20.00,"]
    assert "GIFT,GIFT,Promotional credit,20.00,USD,2027-06-01 00:00,,1,,alone,0,active" in (
        staff.get("/operator/promotions", params={"format": "csv"}).text.splitlines()
    )
    again = staff.get(look)
    assert again.status_code == 409
    assert "is registered already" in words(again)
    office.check()


def test_it_is_changed_and_ended(staff: Browser) -> None:
    terms = {"value": "10", "from": "2027-06-01T00:00"}
    done(send(staff, staff.get(NEW), NEW, code="CHANGED", **terms))
    path = "/operator/promotions/CHANGED"
    fields = {"name": "Changed", "until": "2027-12-31T00:00", "redemptions_max": "7"}
    assert done(send(staff, staff.get(path), path, **fields)) == f"{path}?done=promotion-changed"
    told = words(staff.get(path))
    assert "Dec 31, 2027 00:00" in told
    assert "0 / 7" in told
    refused = send(staff, staff.get(path), path, **(fields | {"until": "2020-01-01T00:00"}))
    assert refused.status_code == 422
    assert "end after it begins" in words(refused)
    done(send(staff, staff.get(path), path, step="end"))
    page = staff.get(path)
    assert "ended" in words(page)
    assert "End it now" not in words(page)
    done(send(staff, page, path, name="Changed", until="", redemptions_max=""))
    assert "active" in words(staff.get(path))


def test_it_is_taken_back_after_a_look(staff: Browser, office: Office, house: House) -> None:
    terms = {"value": "20", "currency": "USD", "from": "2027-06-01T00:00"}
    done(send(staff, staff.get(f"{NEW}?kind=credit"), NEW, code="MISTAKE", **terms))
    code = office.account()
    office.register(code)
    user = "mistake@customer.example"
    customer_of(office, code, user)
    register = f"/operator/accounts/{code}/promotion"
    done(send(staff, staff.get(register, params={"promotion": "MISTAKE", "look": "1"}), register))

    path = f"/operator/accounts/{code}/promotions/MISTAKE/withdraw"
    assert f'href="{path}"' in staff.get(f"/operator/accounts/{code}").text
    assert f'href="{path}"' in staff.get("/operator/promotions/MISTAKE").text
    refused = staff.get(path, params={"look": "1", "reason": " "})
    assert refused.status_code == 422
    assert 'id="wrong-reason"' in refused.text
    page = staff.get(path, params={"look": "1", "reason": "meant for another"})
    assert "Promotional credit 20.00 0.00" in words(page)
    assert done(send(staff, page, path)) == f"/operator/accounts/{code}?done=promotion-withdrawn#promotions"

    assert "taken back" in words(staff.get(f"/operator/accounts/{code}"))
    assert f'href="{path}"' not in staff.get("/operator/promotions/MISTAKE").text
    assert staff.get(path, params={"look": "1", "reason": "again"}).status_code == 409
    with at_the_desk(office, house, user) as browser:
        told = words(browser.get(f"/payment-information?account={code}"))
        assert "taken back" in told
        assert "meant for another" not in told
        assert "Credit taken back" in words(browser.get(f"/balance?account={code}"))
        form = browser.get(f"/payment-information?account={code}")
        again = send(browser, form, f"/payment-information/promotions?account={code}", code="MISTAKE")
        assert "was taken back from this account" in words(again)
    done(send(staff, staff.get(register, params={"promotion": "MISTAKE", "look": "1"}), register))
    office.check()
