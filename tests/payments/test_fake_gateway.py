"""The fake gateway's own: its tokens, its memory, its secret."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterbook.database import Database
from meterbook.errors import Busy, NotFound
from meterbook.payments.gateway import ChargeStatus, NewsKind
from meterbook.payments.gateways.fake import TOKENS, FakeGateway
from meterbook.payments.gateways.open import FAKE_SIGNING_FILE, fake_secret

from .conftest import (
    DECLINED,
    FAKE_SECRET,
    SUCCEEDED,
    Shop,
    charge,
    new_key,
    stored,
    usd,
)

NOW = datetime(2026, 7, 25, 9, 0, tzinfo=UTC)


def test_the_fake_card_that_declines_once_then_succeeds(fake_gateway: FakeGateway) -> None:
    shop = Shop(fake_gateway, "", "", "", "")
    method, key = shop.method("fake_declines_once"), new_key()
    assert charge(fake_gateway, method, usd(100), key).status is DECLINED
    assert charge(fake_gateway, method, usd(100), new_key()).status is SUCCEEDED
    assert charge(fake_gateway, method, usd(100), key).status is DECLINED


def test_the_fake_card_that_times_out_has_taken_the_money_once(fake_gateway: FakeGateway, migrated: Database) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_times_out_then_succeeds"), new_key()
    with pytest.raises(Busy) as busy:
        charge(fake_gateway, method, usd(100), key)
    assert busy.value.slug == "gateway-unavailable"
    assert [row.status for row in stored(migrated, key)] == ["succeeded"]
    assert charge(fake_gateway, method, usd(100), key).status is SUCCEEDED
    assert len(stored(migrated, key)) == 1


def test_the_fake_card_that_needs_action_waits_for_its_holder(fake_gateway: FakeGateway) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_needs_action"), new_key()
    asked = charge(fake_gateway, method, usd(100), key, {"invoice": "INV-2026-000001"})
    assert (asked.status, bool(asked.action_url)) == (ChargeStatus.needs_action, True)
    reference = asked.reference or ""
    assert fake_gateway.refund(reference, usd(100), new_key()).status is DECLINED
    body = fake_gateway.confirm(reference, NOW)
    news = fake_gateway.news_of(body, fake_gateway.signed(body, NOW), NOW)
    assert (news.kind, news.charge_reference, news.key, news.at) == (NewsKind.charge_succeeded, reference, key, NOW)
    assert (news.metadata, news.amount_minor, news.currency) == ({"invoice": "INV-2026-000001"}, 100, "USD")
    assert charge(fake_gateway, method, usd(100), key).status is SUCCEEDED
    assert fake_gateway.refund(reference, usd(100), new_key()).status is SUCCEEDED
    with pytest.raises(NotFound):
        fake_gateway.confirm(reference, NOW)


def test_the_fake_gateway_remembers_without_its_caller(fake_gateway: FakeGateway, migrated: Database) -> None:
    method, key = Shop(fake_gateway, "", "", "", "").method("fake_succeeds"), new_key()
    with migrated.transaction() as session:
        first = charge(fake_gateway, method, usd(100), key)
        session.rollback()
    elsewhere = Database(migrated.engine.url)
    assert charge(FakeGateway(elsewhere, FAKE_SECRET), method, usd(100), key) == first
    elsewhere.dispose()


def test_every_token_of_the_fake_gateway_is_documented() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "payments.md").read_text(encoding="utf-8")
    assert [token for token in TOKENS if f"| `{token}` |" not in page] == []


def test_the_fake_gateway_has_one_secret_in_a_data_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with ThreadPoolExecutor(8) as threads:
        (secret,) = {call.result() for call in [threads.submit(fake_secret, folder) for _ in range(8)]}
    assert len(secret) == 64
    assert [path.name for path in folder.iterdir()] == [FAKE_SIGNING_FILE]
    assert (folder / FAKE_SIGNING_FILE).stat().st_mode & 0o777 == 0o600
    assert fake_secret(tmp_path / "other") != secret
