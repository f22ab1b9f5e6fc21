"""Credit that the staff gives without a code, and takes back."""

from __future__ import annotations

import re

from tests.console.browser import Browser
from tests.console.staff import confirmed, words
from tests.office import Office

SCRIPT = "<script>alert('credit')</script>"


def test_credit_is_given_and_taken_back_without_a_code(staff: Browser, office: Office) -> None:
    code = office.account()
    here = f"/operator/accounts/{code}"
    refused = staff.get(f"{here}/credit", params={"look": "1", "amount": "5.00", "name": ""})
    assert refused.status_code == 422
    assert "The name has to have 1 to 200 characters." in words(refused)
    to = confirmed(staff, f"{here}/credit", amount="5.00", name=f"Outage {SCRIPT}")
    page = staff.get(to.partition("#")[0])
    assert "The credit is given." in words(page)
    assert "<script>alert" not in page.text
    (credit,) = set(re.findall(rf"{here}/credits/(\d+)/withdraw", page.text))
    to = confirmed(staff, f"{here}/credits/{credit}/withdraw")
    page = staff.get(to.partition("#")[0])
    assert "The credit is taken back." in words(page)
    assert f"/credits/{credit}/withdraw" not in page.text
    assert staff.get(f"{here}/credits/{credit}/withdraw", params={"look": "1"}).status_code == 409
    assert staff.get(f"/operator/accounts/{office.account()}/credits/{credit}/withdraw").status_code == 404
    office.check()
