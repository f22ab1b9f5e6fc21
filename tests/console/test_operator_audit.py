"""The staff's page of the audit log: what was changed, found and saved as a sheet."""

from __future__ import annotations

import csv
from io import StringIO

from meterbook.accounts.change_account import change_account
from meterbook.accounts.prove import prove_local
from meterbook.accounts.queries import account_by_code
from tests.console.browser import Browser
from tests.console.staff import CUSTOMER, STAFF, customer_of, done, send, words
from tests.office import Office

LOG = "/operator/audit-log"


def test_an_act_of_the_staff_is_on_the_page(staff: Browser, office: Office) -> None:
    code = office.account()
    customer_of(office, code)
    terms = f"/operator/accounts/{code}/terms"
    form = {"name": "<b>Bold</b>", "language": "en", "tax_percent": "7", "tax_class": "standard"}
    assert done(send(staff, staff.get(terms), terms, **form))
    page = staff.get(f"{LOG}?account={code}&kind=account")
    assert "<b>Bold</b>" not in page.text
    shown = words(page)
    assert STAFF in shown
    assert "tax_percent 0 → 7" in shown
    assert f'href="/operator/accounts/{code}"' in page.text
    assert CUSTOMER not in shown
    assert CUSTOMER in words(staff.get(f"{LOG}?account={code}&kind=membership"))


def test_nobody_in_person_is_the_product_itself(staff: Browser, office: Office) -> None:
    code = office.account()
    assert "Meterbook" in words(staff.get(f"{LOG}?account={code}"))
    assert "Nothing like that was changed." in words(staff.get(f"{LOG}?account={code}&by=nobody@operator.example"))


def test_what_is_looked_for_stays_in_the_form_and_the_links(staff: Browser, office: Office) -> None:
    code = office.account()
    with office.database.transaction() as session:
        row = account_by_code(session, code, prove_local("a", "a"))
        for number in range(102):
            change_account(session, row, name=f"name {number}")
            session.flush()
    page = staff.get(f"{LOG}?account=+{code}+&kind=account")
    assert f'value="{code}"' in page.text
    assert "name 101" in page.text
    assert "name 0<" not in page.text
    following = page.text.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    older = staff.get(following)
    assert "name 0<" in older.text
    assert "name 101" not in older.text
    assert words(staff.get(f"{LOG}?account={code}&kind=money&before=1"))


def test_the_sheet_has_a_row_for_each_change(staff: Browser, office: Office) -> None:
    code = office.account()
    customer_of(office, code)
    answer = staff.get(f"{LOG}?account={code}&format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.csv"'
    rows = list(csv.DictReader(StringIO(answer.text.removeprefix("\ufeff"))))
    assert {(row["What"], row["Act"], row["Field"], row["After"]) for row in rows if row["Name"] == CUSTOMER} == {
        ("Membership", "added", "role", "admin"),
        ("Membership", "added", "billing", "true"),
    }
    assert {row["Account"] for row in rows} == {code}
