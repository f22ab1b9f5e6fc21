"""The staff's story over HTTP on real stores: an account from its first day to its last correction."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from meterbook.accounts.tables import Account
from tests.console.browser import Browser
from tests.console.staff import confirmed, done, form_of, send, words
from tests.office import Office

SCRIPT = "<script>alert('account')</script>"


def figure(page_text: str, label: str) -> str:
    found = re.search(rf"<dt>{label}</dt>\s*<dd[^>]*>([^<]+)</dd>", page_text)
    assert found, label
    return found[1]


def test_from_the_first_day_to_the_last_correction(staff: Browser, office: Office) -> None:
    page = staff.get("/operator/new-account")
    account = {"code": "story", "name": SCRIPT, "currency": "usd", "time_zone": "UTC", "language": "en"}
    account |= {"tax_percent": "10", "tax_class": "standard", "rounding": "", "billing_email": "pay@story.example"}
    here = done(send(staff, page, "/operator/new-account", **account))
    assert here == "/operator/accounts/story?done=account-added"
    page = staff.get(here)
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text

    projects = "/operator/accounts/story/projects"
    fields = {"code": "story-web", "name": SCRIPT, "plan": "subscribed", "labels": "team = web\nenv = prod"}
    page = staff.get(done(send(staff, staff.get(projects), projects, **fields)))
    assert "team=web" in page.text
    assert "<script>alert" not in page.text

    people = "/operator/accounts/story/people"
    sent = send(staff, staff.get(people), people, email="bo@story.example", role="viewer", billing="1", project="")
    assert "bo@story.example" in staff.get(done(sent)).text

    office.register("story")
    page = staff.get("/operator/new-promotion?kind=percent")
    terms = {"code": "story10", "name": "Story", "value": "10", "from": "2027-01-01T00:00", "stackable": "1"}
    assert done(send(staff, page, "/operator/new-promotion", **terms)) == (
        "/operator/promotions/STORY10?done=promotion-added"
    )
    confirmed(staff, "/operator/accounts/story/promotion", promotion=" story10 ")

    office.use("story-web", "100")
    draft_and_issue(staff, office)
    page = staff.get("/operator/accounts/story")
    assert figure(page.text, "Unpaid") == "$99.00"  # 100 less 10%, and 10% tax
    (number,) = set(re.findall(r"INV-\d+-\d+", page.text))

    pay(staff)
    correct(staff, number)
    office.check()


def draft_and_issue(staff: Browser, office: Office) -> None:
    closes = "/operator/closes?month=2027-06"
    done(send(staff, staff.get(closes), "/operator/closes/draft"))
    page = staff.get(closes)
    assert "0 of 1 accounts" in words(page)
    assert 'hx-trigger="every 2s"' in page.text
    assert office.work() > 0
    page = staff.get(closes)
    assert "Done: 1 account was looked at." in words(page)
    assert 'hx-trigger="every 2s"' not in page.text
    draft = words(staff.get("/operator/closes/2027-06/story"))
    assert "Amount due 99.00" in draft
    page = staff.get("/operator/closes/confirm?month=2027-06")
    assert "1 invoice" in words(page)
    assert "99.00" in page.text
    form = form_of(page, "/operator/closes/confirm")
    first = done(staff.post("/operator/closes/confirm", data=form))
    assert done(staff.post("/operator/closes/confirm", data=form)) == first
    assert office.work() > 0
    page = staff.get(closes)
    assert "INV-2027-" in page.text
    assert "sent" in words(page)
    assert len(office.letters()) == 2  # the invitation and the invoice


def pay(staff: Browser) -> None:
    """Record 40 and then 70 for an invoice of 99, and pay 20 ahead: 31 is in the balance; refund 5 of it."""
    path = "/operator/accounts/story/record-payment"
    confirmed(staff, path, amount="40", received_on="2027-07-02", reference="wire 1")
    page = staff.get(path, params={"look": "1", "amount": "70", "received_on": "2027-07-03", "reference": "wire 2"})
    told = words(page)
    assert re.search(r"Unpaid of INV-2027-\d+ 59.00 0.00", told)
    assert "Balance 0.00 11.00" in told
    form = form_of(page, path)
    places = {done(staff.post(path, data=form)) for _ in range(3)}  # a double click, and a reload
    assert places == {"/operator/accounts/story?done=payment-recorded#payments"}
    confirmed(staff, "/operator/accounts/story/top-up", amount="20", reference="ahead")
    page = staff.get("/operator/accounts/story")
    assert figure(page.text, "Unpaid") == "$0.00"
    assert figure(page.text, "Balance") == "$31.00"
    refund = re.findall(r"/operator/payments/\d+/refund", page.text)[0]
    confirmed(staff, refund, amount="5", reason="too much")
    assert figure(staff.get("/operator/accounts/story").text, "Balance") == "$26.00"
    return_ = re.findall(r"/operator/payments/\d+/return", page.text)[-1]  # of the first payment, the 40
    told = words(staff.get(return_, params={"look": "1", "reason": "returned"}))
    assert "Taken back $40.00" in told
    assert re.search(r"Unpaid of INV-2027-\d+ 0.00 14.00", told), "the balance pays 26 of the 40"
    assert "Balance 26.00 0.00" in told
    assert "Saved" in staff.get("/operator/promotions/STORY10").text
    assert "$10.00" in staff.get("/operator/promotions/STORY10").text


def correct(staff: Browser, number: str) -> None:
    """Give 9 of the line's 90 back, then all the rest: it was paid, so it goes into the balance."""
    path = f"/operator/invoices/{number}/credit-note"
    form = staff.get(path)
    assert "90.00" in form.text
    page = staff.get(path, params={"look": "1", "line-1": "9", "reason": "An outage"})
    told = words(page)
    assert "Net $9.00" in told
    assert "Tax $0.90" in told
    assert "Balance 26.00 35.90" in told
    here = done(send(staff, page, path))
    assert "CN-2027-000001" in staff.get(here).text
    confirmed(staff, path, everything="1", reason="Everything")
    page = staff.get(f"/operator/invoices/{number}")
    assert "CN-2027-000002" in page.text
    assert figure(staff.get("/operator/accounts/story").text, "Balance") == "$125.00"
    page = staff.get(f"/operator/invoices/{number}/write-off")
    assert page.status_code == 409
    assert "Nothing of" in words(page)


def test_what_is_unpaid_is_written_off_and_owed_again(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    invoice = office.issued(code, "50")
    path = f"/operator/invoices/{invoice.number}/write-off"
    page = staff.get(path)
    assert f"Unpaid of {invoice.number} 50.00 0.00" in words(page)
    assert done(send(staff, page, path)) == f"/operator/invoices/{invoice.number}?done=written-off"
    page = staff.get(f"/operator/invoices/{invoice.number}")
    assert "written off" in words(page)
    path = f"/operator/invoices/{invoice.number}/reinstatement"
    assert f'href="{path}"' in page.text
    page = staff.get(path)
    assert f"Unpaid of {invoice.number} 0.00 50.00" in words(page)
    assert done(send(staff, page, path)) == f"/operator/invoices/{invoice.number}?done=reinstated"
    assert f'href="{path}"' not in staff.get(f"/operator/invoices/{invoice.number}").text
    assert staff.get(path).status_code == 409
    told = words(staff.get(f"/invoices/{invoice.number}"))
    assert "Owed again -$50.00" in told
    office.check()


def test_an_act_is_done_only_as_it_was_looked_at(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    office.issued(code, "50")
    path = f"/operator/accounts/{code}/record-payment"
    page = staff.get(path, params={"look": "1", "amount": "50", "received_on": "2027-07-02"})
    confirmed(staff, path, amount="30", received_on="2027-07-02")
    answer = send(staff, page, path)
    assert answer.status_code == 409
    told = words(answer)
    assert "Something changed meanwhile" in told
    assert "Balance 0.00 30.00" in told
    assert figure(staff.get(f"/operator/accounts/{code}").text, "Balance") == "$0.00"
    done(send(staff, answer, path))
    assert figure(staff.get(f"/operator/accounts/{code}").text, "Balance") == "$30.00"
    office.check()


@pytest.mark.parametrize(
    ("act", "fields", "field", "message"),
    [
        ("record-payment", {"amount": "1.234"}, "amount", "2 decimals"),
        ("record-payment", {"amount": "-5"}, "amount", "above zero"),
        ("record-payment", {"amount": "5", "received_on": "soon"}, "received_on", "a day such as"),
        ("record-payment", {"amount": "5", "received_on": "2199-01-01"}, "received_on", "still to come"),
        ("record-payment", {"amount": "5", "received_on": "1999-12-31"}, "received_on", "check the year"),
        ("record-payment", {"amount": "1e3"}, "amount", "not an amount"),
        ("record-payment", {"amount": "\uff15"}, "amount", "not an amount"),
        ("top-up", {"amount": "much"}, "amount", "not an amount"),
        ("top-up", {"amount": "5", "reference": "r" * 300}, "reference", "200 characters"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_booked(
    staff: Browser, office: Office, act: str, fields: dict[str, str], field: str, message: str
) -> None:
    code = office.account()
    answer = staff.get(f"/operator/accounts/{code}/{act}", params={"look": "1", **fields})
    assert answer.status_code == 422
    found = re.search(rf'id="wrong-{field}">([^<]+)<', answer.text)
    assert found, words(answer)
    assert message in found[1]
    assert "No payment came in yet." in words(staff.get(f"/operator/accounts/{code}"))


def test_an_unknown_code_is_told_where_it_was_typed(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    answer = staff.get(f"/operator/accounts/{code}/promotion", params={"look": "1", "promotion": "NOSUCH"})
    assert answer.status_code == 404
    assert "There is no such promotion code" in words(answer)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"code": "Has Space"}, "code", "lower-case"),
        ({"currency": "XXQ"}, "currency", "ISO 4217"),
        ({"time_zone": "America/New_York"}, "time_zone", "changes its clocks"),
        ({"tax_percent": "ten"}, "tax_percent", "a number such as"),
        ({"tax_percent": "1e1"}, "tax_percent", "a number such as"),
        ({"tax_percent": "\uff15"}, "tax_percent", "a number such as"),
        ({"tax_percent": "NaN"}, "tax_percent", "a number such as"),
        ({"tax_percent": "101"}, "tax_percent", "0 to 100"),
        ({"billing_email": "nowhere"}, "billing_email", "e-mail"),
    ],
)
def test_an_account_is_not_added_with_a_wrong_field(
    staff: Browser, office: Office, fields: dict[str, str], field: str, message: str
) -> None:
    page = staff.get("/operator/new-account")
    good = {"code": "refused", "name": "", "currency": "USD", "time_zone": "UTC", "language": "en"}
    good |= {"tax_percent": "0", "tax_class": "standard", "rounding": "", "billing_email": ""}
    answer = send(staff, page, "/operator/new-account", **(good | fields))
    assert answer.status_code == 422
    found = re.search(rf'id="wrong-{field}">([^<]+)<', answer.text)
    assert found, words(answer)
    assert message in found[1]
    typed = re.search(rf'<input id="{field}"[^>]*value="([^"]*)"', answer.text)
    assert typed
    assert typed[1] == fields[field].upper() if field == "currency" else typed[1] == fields[field]
    with office.database.transaction() as session:
        assert not session.query(Account).filter_by(code="refused").count()


def test_the_terms_of_an_account_are_changed_for_months_to_come(staff: Browser, office: Office) -> None:
    code = office.account()
    number = office.issued(code, "10").number
    path = f"/operator/accounts/{code}/terms"
    assert f'href="{path}"' in staff.get(f"/operator/accounts/{code}").text
    page = staff.get(path)
    assert 'value="10"' not in page.text
    fields = {"name": SCRIPT, "language": "ko", "tax_percent": "12.5", "tax_class": "standard"}
    refused = send(staff, page, path, **fields, billing_email="nowhere")
    assert refused.status_code == 422
    assert 'id="wrong-billing_email"' in refused.text
    assert 'value="12.5"' in refused.text
    assert "한국어" not in words(staff.get(f"/operator/accounts/{code}"))
    page = staff.get(done(send(staff, page, path, **fields, billing_email="pay@story.example")))
    assert "The account is changed" in words(page)
    assert "12.5%, Standard" in words(page)
    assert "한국어" in words(page)
    assert "pay@story.example" in words(page)
    assert "<script>alert" not in page.text
    office.use(code, "100", "2027-07-01T00:00:00Z")
    told = staff.get(f"/api/v1/invoices/preview?account={code}&month=2027-07", headers=staff.key).json()
    assert (told["tax"][0]["rate"], told["total"]) == ("12.5", "112.50")
    invoice = staff.get(f"/api/v1/invoices/{number}", headers=staff.key).json()
    assert invoice["total"] == "10.00"
    assert staff.get("/operator/accounts/nobody/terms").status_code == 404


def test_an_account_that_is_there_is_not_changed_by_adding_it(staff: Browser, office: Office) -> None:
    code = office.account()
    page = staff.get("/operator/new-account")
    fields = {"code": code, "name": "Another", "currency": "KRW", "time_zone": "UTC", "language": "en"}
    answer = send(staff, page, "/operator/new-account", **fields, tax_percent="0", tax_class="standard")
    assert answer.status_code == 409
    assert "exists already and differs" in words(answer)
    assert "USD" in words(staff.get(f"/operator/accounts/{code}"))


def test_a_project_is_changed_limited_and_deleted(staff: Browser, office: Office) -> None:
    code = office.account()
    path = f"/operator/accounts/{code}/projects/{code}"
    page = staff.get(path)
    changed = {"name": "Renamed", "plan": "free", "labels": "team = core", "trial_until": "2027-08-01T00:00"}
    page = staff.get(done(send(staff, page, path, step="", **changed)))
    assert 'value="2027-08-01T00:00"' in page.text
    assert "Trial" in words(page)
    for step, tag in (("limit", "Limited since"), ("delete", "Deleted")):
        page = staff.get(done(staff.post(path, data=form_of(page, path) | {"step": step})))
        assert tag in words(page)
    answer = staff.post(
        path, data=form_of(page, path) | {"step": "", "name": "x", "plan": "free", "labels": "nonsense"}
    )
    assert answer.status_code == 422
    assert "one label a line" in words(answer)
    for step in ("lift", "restore"):
        page = staff.get(done(staff.post(path, data=form_of(page, path) | {"step": step})))
    assert "Limited since" not in words(page)
    answer = staff.post(
        path, data=form_of(page, path) | {"step": "", "name": "x", "plan": "free", "trial_until": "2027-08-01T00:30"}
    )
    assert answer.status_code == 422
    assert "start of an hour" in words(answer)


def test_a_key_is_shown_once_and_one_form_makes_one(staff: Browser, office: Office) -> None:
    code = office.account()
    path = f"/operator/accounts/{code}/keys"
    form = form_of(staff.get(path), path) | {"scope": "events", "name": "agent", "project": code}
    made = staff.post(path, data=form)
    assert made.status_code == 201
    assert "mbk_e_" in made.text
    again = staff.get(done(staff.post(path, data=form)))
    assert "before" in words(again)
    page = staff.get(path)
    (prefix,) = set(re.findall(r"mbk_e_[a-z2-7]{10}", page.text))
    done(send(staff, page, f"{path}/{prefix}"))
    assert prefix not in staff.get(path).text


def test_people_are_changed_and_taken_out(staff: Browser, office: Office) -> None:
    code = office.account()
    path = f"/operator/accounts/{code}/people"
    email = f"{uuid4().hex[:8]}@people.example"
    page = staff.get(done(send(staff, staff.get(path), path, email=email, role="member", project=code)))
    (member,) = set(re.findall(rf"{path}/\d+", page.text))
    page = staff.get(
        done(staff.post(member, data=form_of(page, member) | {"step": "", "role": "admin", "billing": "1"}))
    )
    assert 'value="admin" selected' in page.text
    page = staff.get(done(staff.post(member, data=form_of(page, member) | {"step": "remove"})))
    assert email not in page.text
    answer = send(staff, page, path, email="nobody", role="member", project="")
    assert answer.status_code == 422
    assert "wrong-email" in answer.text


def test_accounts_are_found_summed_and_written_to_a_sheet(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    invoice = office.issued(code, "70")
    page = staff.get("/operator/accounts", params={"q": invoice.number})
    assert f"/operator/accounts/{code}" in page.text
    assert page.text.count('scope="row"><a href="/operator/accounts/') == 1
    assert staff.get("/operator/accounts", params={"q": f"{code}@money"}).text.count("/operator/invoices/") == 1
    assert "No account is like that." in words(staff.get("/operator/accounts", params={"q": "no_such%"}))
    assert code not in staff.get("/operator/accounts", params={"only": "overdue"}).text
    sheet = staff.get("/operator/accounts", params={"q": code, "format": "csv"})
    assert sheet.headers["content-type"].startswith("text/csv")
    row = next(line for line in sheet.text.splitlines() if line.startswith(f"{code},"))
    assert row == f"{code},{code},USD,UTC,70.00,0.00,0.00,send_invoice,{invoice.number},issued"
    assert staff.get("/operator/accounts", params={"only": "nonsense"}).status_code == 422


def test_what_waits_is_on_the_first_page(staff: Browser, office: Office) -> None:
    code = office.account()
    office.register(code)
    office.use(code, "12")
    office.close(code, confirm=False)
    told = words(staff.get("/operator"))
    assert "Drafts Total June 2027 1 $12.00" in told
    with office.database.transaction() as session:
        row = session.query(Account).filter_by(code=code).one()
        assert row.code in staff.get("/operator/closes?month=2027-06&state=drafted").text
    before = office.now
    try:
        office.close(code)
    finally:
        office.now = before
