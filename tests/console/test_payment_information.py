"""Payment information in the console, on real stores: the guided form, cards at both gateways, what is missing."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from meterbook.accounts.add_account import add_account
from meterbook.accounts.add_member import add_member
from meterbook.accounts.add_project import add_project
from meterbook.accounts.add_user import add_user
from meterbook.catalog.apply import apply_catalog
from meterbook.catalog.load import parse_catalog
from meterbook.database import Database
from meterbook.house import House
from meterbook.payments.methods import methods_for
from meterbook.settings import Settings
from meterbook.usage.store import open_usage
from tests.console.browser import PASSWORD, Browser, browsing, sign_in, token_of
from tests.payments.conftest import SECRET_KEY, StripeServer, stripe_server  # noqa: F401 - a fixture

NOW = datetime(2026, 6, 12, 6, tzinfo=UTC)
CATALOG = (Path(__file__).parents[1] / "doors" / "catalog.toml").read_text(encoding="utf-8")
PAGE = "/payment-information"
ACCOUNTS = {"dollar": "USD", "won": "KRW", "yen": "JPY"}
SCRIPT = "<script>alert('company')</script>"
FILLED = {
    "method": "send_invoice",
    "company": "Acme",
    "registration_number": "",
    "recipient": "Ann",
    "email": "Pay@Acme.example",
    "cc": "one@acme.example, two@acme.example\nthree@acme.example",
    "language": "en",
}


def furnish(database: Database) -> None:
    with database.transaction() as session:
        apply_catalog(session, parse_catalog(CATALOG), NOW, lambda *_: False)
        finance = add_user(session, NOW, email="finance@acme.example", password=PASSWORD)
        member = add_user(session, NOW, email="member@acme.example", password=PASSWORD)
        add_user(session, NOW, email="staff@acme.example", password=PASSWORD, is_operator=True)
        for code, money in ACCOUNTS.items():
            account = add_account(
                session, NOW, code=code, currency=money, name=code.title(), billing_email=f"{code}@acme.example"
            )
            project = add_project(session, NOW, account=account, code=f"{code}-web")
            add_member(session, NOW, user=finance, account=account, project=None, role="viewer", billing=True)
            add_member(session, NOW, user=member, account=account, project=project, role="admin", billing=True)


@pytest.fixture
def house(migrated: Database, tmp_path: Path) -> Iterator[House]:
    """An installation of three accounts that have registered nothing, with the fake gateway."""
    with migrated.transaction() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text('truncate account, "user", product, promotion, idempotency_key cascade'))
    furnish(migrated)
    store = open_usage(tmp_path)
    yield House(Settings(data_dir=tmp_path), migrated, store)
    store.close()


@pytest.fixture
def client(house: House) -> Iterator[Browser]:
    with browsing(house, NOW) as browser:
        sign_in(browser, "finance@acme.example")
        yield browser


def at_stripe(house: House, server: StripeServer) -> House:
    more = {"stripe_secret_key": SecretStr(SECRET_KEY), "stripe_api_base": server.address}
    return replace(house, settings=house.settings.model_copy(update=more))


def shown(client: Browser, account: str = "dollar", **state: str) -> httpx.Response:
    page = client.get(PAGE, params={"account": account, **state})
    assert page.status_code == 200, page.text
    return page


def saved(client: Browser, account: str = "dollar", **fields: str) -> httpx.Response:
    form = {"form_token": token_of(shown(client, account)), **FILLED, **fields}
    return client.post(f"{PAGE}?account={account}", data=form)


def told(client: Browser, account: str = "dollar") -> Any:
    answer = client.get(f"/api/v1{PAGE}?account={account}", headers=client.key)
    return answer.json() if answer.status_code == 200 else None


def put(client: Browser, body: dict[str, str]) -> None:
    """Register by the API, which takes any method."""
    answer = client._call(partial(client.http.put, f"/api/v1{PAGE}", json=body, headers=client.key))
    assert answer.status_code == 200, answer.text


def words(page: httpx.Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text)))


def to(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_without_payment_information_the_form_is_the_first_thing(client: Browser) -> None:
    page = shown(client)
    assert "Register payment information first: then you can apply a promotion code." in words(page)
    assert page.text.index('class="steps"') < page.text.index('id="information"') < page.text.index('id="promotions"')
    assert 'value="Dollar"' in page.text
    assert 'value="dollar@acme.example"' in page.text
    assert re.search(r'id="code"[^>]* disabled', page.text)
    assert "All is set." not in page.text


@pytest.mark.parametrize(
    ("account", "methods", "hint"),
    [
        ("dollar", ["card", "send_invoice"], "VAT"),
        ("won", ["card", "bank_transfer"], "000-00-00000"),
        ("yen", ["card", "send_invoice"], "T and 13 digits"),
    ],
)
def test_the_methods_go_by_the_currency(client: Browser, account: str, methods: list[str], hint: str) -> None:
    page = shown(client, account)
    assert re.findall(r'name="method" value="(\w+)"', page.text) == methods
    assert hint in page.text


def test_cards_are_offered_where_some_gateway_takes_them(tmp_path: Path) -> None:
    without = Settings(data_dir=tmp_path, fake_gateway=False)
    assert methods_for("KRW", without) == ("bank_transfer",)
    assert methods_for("EUR", without) == ("send_invoice",)
    with_stripe = Settings(data_dir=tmp_path, fake_gateway=False, stripe_secret_key=SecretStr("sk_test_x"))
    assert methods_for("EUR", with_stripe) == ("card", "send_invoice")


def test_what_is_written_is_registered_shown_and_told_by_the_api(client: Browser) -> None:
    assert to(saved(client, company=SCRIPT)) == f"{PAGE}?account=dollar&done=saved"
    information = told(client)
    assert information["email"] == "pay@acme.example"
    assert information["cc"] == ["one@acme.example", "two@acme.example", "three@acme.example"]
    page = shown(client, done="saved")
    assert "Payment information is saved." in words(page)
    assert "All is set. Next payment: July 25, 2026 · Send invoice" in words(page)
    assert SCRIPT not in page.text
    assert html.escape(SCRIPT).replace("&#x27;", "&#39;") in page.text
    assert 'name="company"' not in page.text
    edited = shown(client, edit="1")
    assert "one@acme.example\ntwo@acme.example\nthree@acme.example</textarea>" in edited.text
    assert 'value="Ann"' in edited.text


def test_everything_that_is_wrong_is_said_at_its_field_in_the_readers_language(client: Browser) -> None:
    shown(client, "won", lang="ko")
    answer = saved(
        client, "won", method="bank_transfer", company="", recipient="a\nb", email="nowhere", cc="x y", language="fr"
    )
    assert answer.status_code == 422
    for field, message in {
        "company": "회사명을 한 줄",
        "registration_number": "사업자 등록 번호가 필요합니다",
        "recipient": "이름을 한 줄",
        "email": "이메일 주소를 입력하세요",
        "cc": "10개까지 입력하세요",
        "language": "다음 언어 중에서",
    }.items():
        assert re.search(rf'id="{field}-fault">[^<]*{message}', answer.text), field
        assert re.search(
            rf'id="{field}"[^>]*aria-invalid="true"[^>]*aria-describedby="[^"]*{field}-fault"', answer.text
        )
    assert 'value="nowhere"' in answer.text
    assert told(client, "won") is None


@pytest.mark.parametrize("method", ["bank_transfer", "", "cheque", "card "])
def test_only_what_is_offered_is_taken(client: Browser, method: str) -> None:
    answer = saved(client, method=method, registration_number="1")
    assert answer.status_code == 422
    assert "Choose one of these ways to pay." in answer.text
    assert told(client) is None


def test_a_method_that_was_registered_otherwise_can_be_kept(client: Browser) -> None:
    put(client, {"account": "dollar", "method": "bank_transfer", "registration_number": "US-1"})
    assert re.findall(r'name="method" value="(\w+)"', shown(client, edit="1").text) == [
        "card",
        "send_invoice",
        "bank_transfer",
    ]
    assert to(saved(client, method="bank_transfer", registration_number="US-2")).endswith("done=saved")


def test_a_test_card_is_chosen_on_a_page_of_its_own(client: Browser) -> None:
    form = to(saved(client, method="card"))
    assert form.startswith(f"{PAGE}/test-card?account=dollar&session=fake_cs_")
    assert told(client) is None
    assert "Your card is not entered yet" in words(shown(client))
    assert to(client.get(form.replace("test-card", "card"))) == form
    page = client.get(form)
    assert "This is a test: no real card is asked for, and no money moves." in words(page)
    assert len(re.findall(r'type="radio" name="token"', page.text)) == 5
    session = form.rpartition("=")[2]
    choice = {"form_token": token_of(page), "session": session, "token": "fake_declines_once"}
    refused = client.post(f"{PAGE}/test-card?account=dollar", data=choice | {"token": "4242424242424242"})
    assert refused.status_code == 409
    assert "The card was refused" in refused.text
    back = to(client.post(f"{PAGE}/test-card?account=dollar", data=choice))
    assert back == f"{PAGE}/card?account=dollar&session={session}"
    assert to(client.get(back)) == f"{PAGE}?account=dollar&done=card"
    information = told(client)
    assert (information["gateway"], information["card"]) == ("fake", "fake card that declines once")
    assert "Your card is registered." in words(shown(client, done="card"))
    assert "Test card that is declined once, then charged" in words(shown(client))
    # a reload, or the browser's history, changes nothing
    assert to(client.get(back)) == f"{PAGE}?account=dollar"
    # the rest is changed without the card
    assert to(saved(client, method="card", company="Other")).endswith("done=saved")
    assert (told(client)["company"], told(client)["card"]) == ("Other", "fake card that declines once")
    assert "/test-card?" in to(saved(client, method="card", new_card="1"))
    # and another way to pay puts an end to the form that was begun
    assert to(saved(client)).endswith("done=saved")
    assert told(client)["card"] is None
    assert "To do" not in words(shown(client))


def test_sent_twice_one_form_is_opened(client: Browser) -> None:
    page = shown(client)
    key = re.search(r'name="key" value="(\w+)"', page.text)
    assert key
    form = {"form_token": token_of(page), **FILLED, "method": "card", "key": key[1]}
    first, again = (to(client.post(f"{PAGE}?account=dollar", data=form)) for _ in range(2))
    assert first == again


def test_nobody_ends_a_form_of_another_account(client: Browser) -> None:
    session = to(saved(client, method="card")).rpartition("=")[2]
    for path in ("card", "test-card"):
        assert client.get(f"{PAGE}/{path}?account=won&session={session}").status_code == 404
        assert client.get(f"{PAGE}/{path}?account=dollar&session=cs_test_other").status_code == 404
    token = token_of(client.get(f"{PAGE}/test-card?account=dollar&session={session}"))
    choice = {"form_token": token, "session": session, "token": "fake_succeeds"}
    assert client.post(f"{PAGE}/test-card?account=won", data=choice).status_code == 404
    assert told(client, "won") is None
    assert to(client.get(f"{PAGE}/card?account=dollar")) == f"{PAGE}?account=dollar&edit=1"


def test_a_card_goes_through_stripes_own_page(house: House, stripe_server: StripeServer) -> None:  # noqa: F811
    with browsing(at_stripe(house, stripe_server), NOW) as client:
        sign_in(client, "finance@acme.example")
        leave = to(saved(client, method="card", new_card="1"))
        assert re.fullmatch(rf"{PAGE}/card\?account=dollar&session=cs_test_\w+", leave)
        session = leave.rpartition("=")[2]
        page = client.get(leave)
        assert page.status_code == 200
        assert "You are going to our payment partner's page" in words(page)
        link = re.search(r'href="([^"]+)" rel="noopener noreferrer"', page.text)
        assert link
        assert link[1] == f"{stripe_server.address}/c/pay/{session}"
        assert "form-action 'self'" in page.headers["content-security-policy"]
        told_stripe = stripe_server.ask("GET", f"/v1/checkout/sessions/{session}")
        assert (
            told_stripe["success_url"] == f"http://testserver{PAGE}/card?account=dollar&session={{CHECKOUT_SESSION_ID}}"
        )
        assert client.get(f"{PAGE}/test-card?account=dollar&session={session}").status_code == 404
        stripe_server.fill_form(session)
        assert to(client.get(leave)) == f"{PAGE}?account=dollar&done=card"
        assert (told(client)["gateway"], told(client)["card"]) == ("stripe", "visa ending 4242")
        assert "Next payment: July 25, 2026 · Visa ending in 4242" in words(shown(client))
        assert to(client.get(leave)) == f"{PAGE}?account=dollar"
        # a form that is closed without a card
        other = to(saved(client, method="card", new_card="1"))
        stripe_server.fill_form(other.rpartition("=")[2], card=None)
        over = to(client.get(other))
        assert over == f"{PAGE}?account=dollar&done=card-over"
        assert "it is closed now. Nothing was changed" in words(shown(client, done="card-over"))
        assert told(client)["card"] == "visa ending 4242"


def test_a_gateway_that_is_away_is_said_and_nothing_is_changed(house: House) -> None:
    away = StripeServer(port=9)
    with browsing(at_stripe(house, away), NOW) as client:
        sign_in(client, "finance@acme.example")
        answer = saved(client, method="card")
        assert answer.status_code == 429
        assert "Our payment partner does not answer at the moment." in words(answer)
        assert told(client) is None


def test_a_card_at_a_gateway_that_is_gone_has_to_be_entered_again(
    house: House,
    client: Browser,
    stripe_server: StripeServer,  # noqa: F811
) -> None:
    put(client, {"account": "dollar", "method": "card", "token": "fake_succeeds"})
    assert "All is set." in words(shown(client))
    with browsing(at_stripe(house, stripe_server), NOW) as other:
        sign_in(other, "finance@acme.example")
        assert "a payment partner that is not in use any more" in words(shown(other))
        assert "/card?account=dollar&session=cs_test_" in to(saved(other, method="card"))


def test_a_tax_invoice_waits_for_the_registration_number(client: Browser) -> None:
    put(client, {"account": "won", "method": "bank_transfer"})
    assert "Add your registration number" in words(shown(client, "won"))
    answer = saved(client, "won", method="bank_transfer", registration_number="123-45-67890", language="ko")
    assert to(answer).endswith("done=saved")
    assert "All is set." in words(shown(client, "won"))


def test_only_who_holds_the_accounts_billing_sees_and_writes_it(client: Browser) -> None:
    token = token_of(shown(client))
    client.cookies.clear()
    sign_in(client, "member@acme.example")
    posts = {"": FILLED, "/promotions": {"code": "X"}, "/test-card": {"session": "s", "token": "fake_succeeds"}}
    for path, body in posts.items():
        hidden, unknown = (
            client.post(f"{PAGE}{path}?account={code}", data=body | {"form_token": token})
            for code in ("dollar", "none")
        )
        assert hidden.status_code == unknown.status_code == 404, path
        assert hidden.text.replace("dollar", "") == unknown.text.replace("none", "")
    for path in ("", "/card", "/test-card"):
        assert client.get(f"{PAGE}{path}?account=dollar&session=s").status_code == 404
    assert told(client) is None


def test_the_operators_staff_may_write_it_too(client: Browser) -> None:
    client.cookies.clear()
    sign_in(client, "staff@acme.example")
    assert to(saved(client)).endswith("done=saved")
    assert told(client)["company"] == "Acme"


def test_forms_prove_where_they_come_from(client: Browser) -> None:
    for path, body in {"": FILLED, "/promotions": {"code": "X"}, "/test-card": {"session": "s"}}.items():
        assert client.post(f"{PAGE}{path}?account=dollar", data=body).status_code == 403
        elsewhere = body | {"form_token": token_of(shown(client))}
        headers = {"origin": "https://elsewhere.example"}
        assert client.post(f"{PAGE}{path}?account=dollar", data=elsewhere, headers=headers).status_code == 403
    assert told(client) is None


def test_far_too_much_is_refused(client: Browser) -> None:
    assert saved(client, company="x" * 201).status_code == 422
    assert saved(client, cc=" ".join(f"a{number}@acme.example" for number in range(11))).status_code == 422
    assert saved(client, cc="x" * 5_000).status_code == 422
    assert told(client) is None
