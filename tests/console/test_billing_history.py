"""The billing history and paying by card: figures equal the API's, links lead both ways, a card is charged once."""

import re
from collections.abc import Iterator
from html import unescape

import pytest
from sqlalchemy import event

from meterbook.database import Database
from meterbook.house import House
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.browser import Browser, token_of
from tests.console.money_house import Payer, cells, empty, figures, paying

SCRIPT = "<script>alert('account')</script>"


@pytest.fixture(scope="module")
def house(migrated: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("billing")
    store = open_usage(folder)
    house = House(Settings(data_dir=folder, payment_instruction="To account 12-34 of Example Bank."), migrated, store)
    yield house
    store.close()


@pytest.fixture
def payer(house: House) -> Iterator[Payer]:
    empty(house)
    with paying(house) as payer:
        yield payer


def e11(payer: Payer) -> tuple[str, str]:
    """Bill E09 twice, with 50,000 paid ahead and 10,000 paid between, and return the invoices' numbers."""
    payer.register()
    payer.won("2026-06")
    payer.won("2026-07")
    payer.top_up("50000")
    june = payer.issue("2026-06", "2026-07-03T00:00:00Z")
    payer.record("10000")
    july = payer.issue("2026-07", "2026-08-03T00:00:00Z")
    return june["number"], july["number"]


def test_e11_what_is_unpaid_overdue_and_due_next(payer: Payer) -> None:
    june, july = e11(payer)
    client = payer.sign_in()
    page = client.get(f"/billing-history?account={payer.code}")
    told = payer.api("/billing-history")
    assert (told["unpaid"], told["overdue"]) == ("72038", "6019")
    assert figures(page) == {"Unpaid": "₩72,038", "Of it overdue": "₩6,019", "Next due date": "Aug 25, 2026"}
    assert "due since Jul 25, 2026" in page.text
    assert cells(page, "invoices") == [
        ["July 2026", july, "Aug 3, 2026", "Aug 25, 2026", "66,019", "0", "66,019", "Issued", "Detail"],
        ["June 2026", june, "Jul 3, 2026", "Jul 25, 2026", "66,019", "60,000", "6,019", "Overdue", "Detail"],
    ]
    rows = {row["number"]: row for row in told["items"]}
    assert (rows[june]["paid"], rows[june]["unpaid_now"], rows[june]["status"]) == ("60000", "6019", "overdue")


def test_payments_say_what_they_paid_and_invoices_by_what(payer: Payer) -> None:
    june, july = e11(payer)
    payer.record("200000", "too much")
    client = payer.sign_in()
    page = client.get(f"/billing-history?account={payer.code}")
    shown = cells(page, "payments")
    assert shown[0][1:] == [
        "Bank transfer",
        "too much",
        f"{june} 6,019 {july} 66,019 Balance 127,962",
        "200,000",
    ]
    assert shown[2][1:] == ["Paid ahead", "ahead", "Balance 50,000", "50,000"]
    sums = {each["id"]: each for each in payer.api("/payments")["items"]}
    assert [each["amount"] for each in sums.values()] == ["200000", "10000", "50000"]
    back = client.get(f"/invoices/{june}")
    (there,) = re.findall(
        r'href="([^"]+#payment-\d+)">Bank transfer</a>\s*<span class="quiet-text">too much', back.text
    )[:1]
    address, _, anchor = unescape(there).partition("#")
    assert f'<tr id="{anchor}">' in client.get(address).text


def test_a_page_shows_one_moment_of_the_books(payer: Payer, house: House) -> None:
    june, _ = e11(payer)
    client = payer.sign_in()
    paid: list[str] = []

    def pay(*given: object) -> None:
        if "FROM posting" in str(given[2]) and not paid:
            paid.append(june)
            payer.record("6019", "meanwhile")

    event.listen(house.database.engine, "after_cursor_execute", pay)
    try:
        page = client.get(f"/billing-history?account={payer.code}")
    finally:
        event.remove(house.database.engine, "after_cursor_execute", pay)
    assert paid
    assert figures(page)["Unpaid"] == "₩72,038"
    assert [row[6] for row in cells(page, "invoices")] == ["66,019", "6,019"]
    assert "meanwhile" not in page.text
    again = client.get(f"/billing-history?account={payer.code}")
    assert figures(again)["Unpaid"] == "₩66,019"
    assert [row[6] for row in cells(again, "invoices")] == ["66,019", "0"]


def test_e12_credit_notes_and_what_they_took_off(payer: Payer) -> None:
    payer.register()
    payer.won("2026-06")
    june = payer.issue("2026-06", "2026-07-03T00:00:00Z")
    lines = sorted((line for group in june["groups"] for line in group["lines"]), key=lambda line: line["line"])
    notes = [payer.credit(june["number"], line["line"], line["net"]) for line in lines]
    assert [note["total"] for note in notes] == ["11005", "22007", "33007"]
    client = payer.sign_in()
    page = client.get(f"/billing-history?account={payer.code}")
    (row,) = cells(page, "invoices")
    assert row[4:8] == ["66,019", "0 credited 66,019", "0", "Credited"]
    assert [each[4] for each in cells(page, "credit-notes")] == ["33,007", "22,007", "11,005"]
    invoice = client.get(f"/invoices/{june['number']}")
    for note in notes:
        assert f'id="{note["number"]}"' in page.text
        assert f'id="{note["number"]}"' in invoice.text
        assert f"#{note['number']}" in page.text
        pdf = client.get(f"/credit-notes/{note['number']}/pdf")
        assert (pdf.headers["content-type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
        assert note["number"] in pdf.headers["content-disposition"]


def test_a_written_off_invoice_is_not_paid(payer: Payer) -> None:
    payer.register()
    payer.won("2026-06")
    june = payer.issue("2026-06", "2026-07-03T00:00:00Z")
    payer.record("6019")
    payer.act(f"/invoices/{june['number']}/write-off", {})
    again = payer.invoice(june["number"])
    assert [again[name] for name in ("status", "paid", "written_off", "unpaid_now")] == [
        "written_off",
        "6019",
        "60000",
        "0",
    ]
    client = payer.sign_in()
    (row,) = cells(client.get("/billing-history"), "invoices")
    assert row[4:8] == ["66,019", "6,019 written off 60,000", "0", "Written off"]
    page = client.get(f"/invoices/{june['number']}").text
    assert "Nothing is unpaid any more" not in page
    assert page.count("Written off") == 3  # the status, what took it off, what happened


def test_years_narrow_everything_and_lists_are_paged(payer: Payer) -> None:
    e11(payer)
    for number in range(30):
        payer.record("1000", f"small {number}", "2025-12-30")
    client = payer.sign_in()
    of_2025 = client.get(f"/billing-history?account={payer.code}&year=2025")
    assert "No invoice was issued in 2025." in of_2025.text
    shown = cells(of_2025, "payments")
    assert [row[2] for row in shown] == [f"small {number}" for number in range(29, 5, -1)]
    (older,) = re.findall(r'href="([^"]+)">Older<', of_2025.text)
    assert [row[2] for row in cells(client.get(unescape(older)), "payments")] == [
        f"small {n}" for n in range(5, -1, -1)
    ]
    of_2026 = client.get(f"/billing-history?account={payer.code}&year=2026")
    assert [row[2] for row in cells(of_2026, "payments")] == ["wire", "ahead"]
    assert "All years" in of_2026.text
    for wrong in ("year=x", "year=99999", "before=-1", "payments_before=x"):
        assert client.get(f"/billing-history?account={payer.code}&{wrong}").status_code == 422


def test_sheets_hold_what_the_page_shows(payer: Payer) -> None:
    june, july = e11(payer)
    client = payer.sign_in()
    invoices = client.get(f"/billing-history/invoices.csv?account={payer.code}")
    amounts = ",".join(f"{name} (KRW)" for name in ("Invoice amount", "Paid", "Credited", "Written off", "Unpaid"))
    assert invoices.text.splitlines() == [
        f"\ufeffTarget month,Invoice ID,Invoice date,Payment due,{amounts},Status",
        f"2026-07,{july},2026-08-03,2026-08-25,66019,0,0,0,66019,Issued",
        f"2026-06,{june},2026-07-03,2026-07-25,66019,60000,0,0,6019,Overdue",
    ]
    payments = client.get(f"/billing-history/payments.csv?account={payer.code}&year=2026")
    assert payments.text.splitlines()[1:] == [
        f"2026-07-28,Bank transfer,wire,10000,{june},10000",
        "2026-08-05,Paid ahead,ahead,50000,Balance,50000",
    ]


def test_before_anything_was_issued_the_page_says_what_comes(payer: Payer) -> None:
    page = payer.sign_in().get("/billing-history")
    assert "There is no payment history." in page.text
    assert f"/invoice-preview?account={payer.code}" in page.text


@pytest.mark.parametrize("who", ["part", "stranger"])
def test_whoever_does_not_hold_the_accounts_billing_sees_nothing(payer: Payer, who: str) -> None:
    june, _ = e11(payer)
    client = payer.sign_in(who)
    sheets = ("/billing-history/invoices.csv", "/billing-history/payments.csv", "/balance/movements.csv")
    for path in ("/billing-history", "/balance", *sheets):
        assert client.get(f"{path}?account={payer.code}").status_code == 404
    for end in ("", "/pdf", "/pay", "/lines.csv"):
        mine, none = (client.get(f"/invoices/{number}{end}") for number in (june, "INV-1999-000001"))
        assert mine.status_code == none.status_code == 404
        assert mine.text.replace(june, "") == none.text.replace("INV-1999-000001", "")
    form = {"form_token": token_of(client.get("/account")), "key": "k" * 20, "amount": "6019"}
    assert client.post(f"/invoices/{june}/pay", data=form).status_code == 404


def test_without_a_card_the_page_says_how_to_pay(payer: Payer) -> None:
    june, _ = e11(payer)
    client = payer.sign_in()
    for path in ("/billing-history", f"/invoices/{june}", f"/invoices/{june}/pay"):
        page = client.get(path)
        assert "To account 12-34 of Example Bank." in page.text
        assert 'name="amount"' not in page.text
    form = {"form_token": token_of(page), "key": "k" * 20, "amount": "6019"}
    refused = client.post(f"/invoices/{june}/pay", data=form)
    assert refused.status_code == 409
    assert "No card is registered any more. Nothing was charged." in refused.text


def paying_form(client: Browser, number: str) -> dict[str, str]:
    """Return the fields of the page that asks."""
    page = client.get(f"/invoices/{number}/pay")
    assert page.status_code == 200
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text.partition("<main")[2]))


def test_a_card_is_charged_once_however_often_the_form_is_sent(payer: Payer) -> None:
    june, _ = e11(payer)
    payer.card()
    client = payer.sign_in()
    assert f"Pay: {june}" in client.get("/billing-history").text
    asked = client.get(f"/invoices/{june}/pay").text
    assert "Pay ₩6,019 now" in asked
    assert "fake card that succeeds" in asked
    form = paying_form(client, june)
    answers = [client.post(f"/invoices/{june}/pay", data=form) for _ in range(3)]
    assert {(answer.status_code, answer.headers["location"]) for answer in answers} == {
        (303, f"/invoices/{june}?account={payer.code}&done=payment")
    }
    page = client.get(answers[0].headers["location"])
    assert "Thank you: your card was charged." in page.text
    assert figures(page)["Unpaid now"] == "₩0"
    cards = [each for each in payer.api("/payments")["items"] if each["method"] == "card"]
    assert [(each["amount"], each["paid"]) for each in cards] == [("6019", [{"invoice": june, "amount": "6019"}])]
    assert "Nothing of this invoice is unpaid." in client.get(f"/invoices/{june}/pay").text


def test_a_declined_card_says_so_and_can_be_tried_again(payer: Payer) -> None:
    june, _ = e11(payer)
    payer.card("fake_declines_once")
    client = payer.sign_in()
    form = paying_form(client, june)
    answers = [client.post(f"/invoices/{june}/pay", data=form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    page = client.get(answers[0].headers["location"])
    assert "Your card was declined; nothing was charged. <q>The card was declined.</q>" in page.text
    assert figures(page)["Unpaid now"] == "₩6,019"
    assert len(payer.invoice(june)["attempts"]) == 1
    again = client.post(f"/invoices/{june}/pay", data=paying_form(client, june))
    assert "Thank you: your card was charged." in client.get(again.headers["location"]).text


def test_a_payment_that_has_to_be_confirmed_leads_to_the_bank(payer: Payer) -> None:
    june, _ = e11(payer)
    payer.card("fake_needs_action")
    client = payer.sign_in()
    answer = client.post(f"/invoices/{june}/pay", data=paying_form(client, june))
    page = client.get(answer.headers["location"])
    assert re.search(
        r'<a href="https://bank\.example/confirm/\w+" rel="noreferrer">Confirm at your bank</a>', page.text
    )
    assert "Confirm at your bank" in client.get(f"/invoices/{june}/pay").text


def test_a_card_service_that_is_away_costs_nothing_twice(payer: Payer) -> None:
    june, _ = e11(payer)
    payer.card("fake_times_out_then_succeeds")
    client = payer.sign_in()
    form = paying_form(client, june)
    away = client.post(f"/invoices/{june}/pay", data=form)
    assert away.status_code == 503
    assert "however often you do, you are charged once" in away.text
    assert form["key"] in away.text
    again = client.post(f"/invoices/{june}/pay", data=form)
    assert "Thank you: your card was charged." in client.get(again.headers["location"]).text
    assert len([each for each in payer.api("/payments")["items"] if each["method"] == "card"]) == 1


def test_an_amount_that_changed_is_not_charged(payer: Payer) -> None:
    june, _ = e11(payer)
    payer.card()
    client = payer.sign_in()
    form = paying_form(client, june)
    payer.record("1000")
    changed = client.post(f"/invoices/{june}/pay", data=form)
    assert changed.status_code == 409
    assert "What is unpaid has changed since you opened this page." in changed.text
    assert "Pay ₩5,019 now" in changed.text
    for wrong in ({"key": "short"}, {"form_token": "x.y"}, {"amount": "1" * 100}):
        assert client.post(f"/invoices/{june}/pay", data=form | wrong).status_code in (403, 422)
    assert [each["method"] for each in payer.api("/payments")["items"]] == ["bank_transfer", "bank_transfer", "top_up"]


def test_an_accounts_name_is_written_never_run(house: House) -> None:
    with paying(house, name=SCRIPT) as payer:
        june, _ = e11(payer)
        client = payer.sign_in()
        for path in ("/billing-history", f"/invoices/{june}", f"/invoices/{june}/pay", "/balance"):
            page = client.get(path).text
            assert SCRIPT not in page
            assert "&lt;script&gt;" in page
