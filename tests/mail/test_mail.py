"""Letters: over a real SMTP server and into the folder, right in every sign, and what each refusal means."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import default
from pathlib import Path

import pytest

from meterbook import mail
from meterbook.errors import Busy, Invalid, Refused
from meterbook.mail import Attachment, FolderMailer, Letter, SmtpMailer, SmtpServer, compose, open_mailer
from meterbook.settings import Settings, load_settings
from tests.mail.conftest import PASSWORD, USER, Certificate, Postbox, free_port, know

SENDER = "Example Billing <billing@example.com>"
LETTER = Letter(
    to="김철수 <kim@customer.example>",
    cc=("Finance, Ltd. <finance@customer.example>", "books@customer.example"),
    subject="[INV-2026-000001] 2026年6月の請求書",
    text="안녕하세요\n\n.\nFrom the billing team\n",
    html="<p>안녕하세요</p>",
    attachments=(Attachment("請求書 INV-2026-000001.pdf", "application/pdf", b"%PDF-1.7\r\n\x00\xff"),),
    message_id="<INV-2026-000001.7@example.com>",
    date=datetime(2026, 7, 3, 9, 30, tzinfo=UTC),
    language="ja",
)
KIM, FINANCE, BOOKS = "kim@customer.example", "finance@customer.example", "books@customer.example"

Serve = Callable[..., int]


def smtp(port: int, **how: object) -> SmtpMailer:
    return SmtpMailer(SmtpServer("127.0.0.1", port, **how), SENDER)  # type: ignore[arg-type]


def test_a_letter_arrives_as_it_was_written(serve: Serve, postbox: Postbox) -> None:
    assert smtp(serve()).send(LETTER) == ()
    (letter,) = postbox.letters
    assert postbox.recipients == [[KIM, FINANCE, BOOKS]]
    assert str(letter["From"]) == SENDER
    assert [(each.display_name, each.addr_spec) for each in letter["To"].addresses] == [("김철수", KIM)]
    assert [each.display_name for each in letter["Cc"].addresses] == ["Finance, Ltd.", ""]
    assert letter["Subject"] == LETTER.subject
    assert letter["Message-ID"] == LETTER.message_id
    assert letter["Date"].datetime == LETTER.date
    assert letter["Auto-Submitted"] == "auto-generated"
    assert letter["Content-Language"] == "ja"
    plain, html = letter.get_body(("plain",)), letter.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == LETTER.text
    assert html.get_content().strip() == LETTER.html
    (paper,) = letter.iter_attachments()
    assert (paper.get_filename(), paper.get_content_type()) == (LETTER.attachments[0].name, "application/pdf")
    assert paper.get_content() == LETTER.attachments[0].content


def test_the_same_letter_again_has_the_same_message_id(serve: Serve, postbox: Postbox) -> None:
    mailer = smtp(serve())
    mailer.send(LETTER)
    mailer.send(LETTER)
    assert [letter["Message-ID"] for letter in postbox.letters] == [LETTER.message_id] * 2


def test_starttls_secures_before_it_signs_in(serve: Serve, postbox: Postbox, certificate: Certificate) -> None:
    port = serve(tls_context=certificate.server, require_starttls=True, authenticator=know, auth_required=True)
    server = SmtpServer("127.0.0.1", port, "starttls", USER, PASSWORD)
    SmtpMailer(server, SENDER, certificate.client).send(LETTER)
    assert (postbox.secured, postbox.signed_in) == ([True], [True])


def test_tls_from_the_start(serve: Serve, postbox: Postbox, certificate: Certificate) -> None:
    port = serve(ssl_context=certificate.server)
    SmtpMailer(SmtpServer("127.0.0.1", port, "tls"), SENDER, certificate.client).send(LETTER)
    assert len(postbox.letters) == 1


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    serve: Serve, postbox: Postbox, certificate: Certificate, tls: mail.Tls
) -> None:
    how = {"tls_context": certificate.server} if tls == "starttls" else {"ssl_context": certificate.server}
    with pytest.raises(Busy, match="certificate verify failed") as busy:
        smtp(serve(**how), tls=tls).send(LETTER)
    assert busy.value.slug == "mail-unavailable"
    assert postbox.letters == []


def test_a_server_without_starttls_is_never_used_in_the_clear(serve: Serve, postbox: Postbox) -> None:
    with pytest.raises(Busy, match="STARTTLS"):
        smtp(serve(), tls="starttls", user=USER, password=PASSWORD).send(LETTER)
    assert postbox.letters == []


def test_a_wrong_password_is_the_settings_mistake_and_tried_again(
    serve: Serve, postbox: Postbox, certificate: Certificate
) -> None:
    port = serve(tls_context=certificate.server, authenticator=know, auth_required=True)
    server = SmtpServer("127.0.0.1", port, "starttls", USER, "wrong")
    with pytest.raises(Busy, match=r"535 .*METERBOOK_SMTP_URL") as busy:
        SmtpMailer(server, SENDER, certificate.client).send(LETTER)
    assert "wrong" not in busy.value.message
    with pytest.raises(Busy, match="530"):
        SmtpMailer(replace(server, user=None), SENDER, certificate.client).send(LETTER)
    assert postbox.letters == []


@pytest.mark.parametrize(
    ("answer", "kind", "slug"),
    [
        ("554 5.7.1 not wanted", Refused, "mail-refused"),
        ("451 4.3.0 try later", Busy, "mail-unavailable"),
        ("421 closing", Busy, "mail-unavailable"),
    ],
)
def test_what_the_server_says_to_the_content(
    serve: Serve, postbox: Postbox, answer: str, kind: type[Refused], slug: str
) -> None:
    postbox.of_content = answer
    with pytest.raises(kind, match=answer) as error:
        smtp(serve()).send(LETTER)
    assert (type(error.value), error.value.slug) == (kind, slug)


def test_a_refused_sender(serve: Serve, postbox: Postbox) -> None:
    postbox.of_sender = "550 5.7.1 no such sender"
    with pytest.raises(Refused, match="no such sender") as refused:
        smtp(serve()).send(LETTER)
    assert refused.value.slug == "mail-refused"


def test_no_recipient_is_taken(serve: Serve, postbox: Postbox) -> None:
    mailer = smtp(serve())
    postbox.of_recipient = dict.fromkeys((KIM, FINANCE, BOOKS), "550 5.1.1 unknown")
    with pytest.raises(Refused, match=f"{KIM}: 550 5.1.1 unknown") as refused:
        mailer.send(LETTER)
    assert refused.value.slug == "mail-refused"
    postbox.of_recipient[BOOKS] = "450 4.2.0 greylisted"
    with pytest.raises(Busy, match=f"{KIM}: 550") as busy:
        mailer.send(LETTER)
    assert busy.value.slug == "mail-unavailable"


def test_a_recipient_that_is_refused_while_others_are_taken_is_told(serve: Serve, postbox: Postbox) -> None:
    postbox.of_recipient = {BOOKS: "550 5.1.1 unknown"}
    assert smtp(serve()).send(LETTER) == (BOOKS,)
    assert postbox.recipients == [[KIM, FINANCE]]


def test_a_server_that_is_away() -> None:
    with pytest.raises(Busy, match="Connection refused") as busy:
        smtp(free_port()).send(LETTER)
    assert busy.value.slug == "mail-unavailable"


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "SMTP_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Busy, match="timed out"):
        smtp(silent.getsockname()[1]).send(LETTER)


def test_a_server_that_hangs_up() -> None:
    def hang_up(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=hang_up, args=(listening,))
        thread.start()
        with pytest.raises(Busy) as busy:
            smtp(listening.getsockname()[1]).send(LETTER)
        thread.join()
    assert busy.value.slug == "mail-unavailable"


def test_an_address_in_other_letters_needs_a_server_that_can(serve: Serve, postbox: Postbox) -> None:
    letter = replace(LETTER, to="küche@customer.example")
    with pytest.raises(Refused, match="SMTPUTF8"):
        smtp(serve(enable_SMTPUTF8=False)).send(letter)
    smtp(serve(enable_SMTPUTF8=True)).send(letter)
    assert postbox.recipients == [["küche@customer.example", FINANCE, BOOKS]]


@pytest.mark.parametrize(
    "broken",
    [
        replace(LETTER, to="kim@customer.example\r\nBcc: all@customer.example"),
        replace(LETTER, to="Kim\r\nBcc: all@customer.example <kim@customer.example>"),
        replace(LETTER, cc=("Finance\n <finance@customer.example>",)),
        replace(LETTER, subject="Invoice\r\nBcc: all@customer.example"),
        replace(LETTER, subject="Invoice\n"),
        replace(LETTER, attachments=(Attachment("a\r\nX-Other: b", "application/pdf", b""),)),
        replace(LETTER, to="kim@customer.example, all@customer.example"),
        replace(LETTER, to="kim"),
        replace(LETTER, to=""),
        replace(LETTER, to=f"kim@{'x' * 70}.例え"),
        replace(LETTER, subject="x" * 201),
        replace(LETTER, cc=(BOOKS,) * 20),
        replace(LETTER, attachments=(Attachment("a.pdf", "application/pdf", bytes(25_000_001)),)),
        replace(LETTER, attachments=(Attachment("a.pdf", "application/pdf", bytes(19_000_000)),)),
    ],
    ids=range(14),
)
def test_no_header_can_be_slipped_in_and_everything_has_a_limit(tmp_path: Path, broken: Letter) -> None:
    folder = tmp_path / "mail"
    with pytest.raises(Refused) as refused:
        FolderMailer(folder, SENDER).send(broken)
    assert refused.value.slug == "mail-refused"
    assert not folder.exists()


@pytest.mark.parametrize(
    "name",
    [
        "Example, Inc. (billing) and a very long name indeed that does not fit into one line at all",
        '"Quoted" \\ Name',
        "김철수, (주)메터북 아주 긴 회사 이름이 여기에 있고 더 길어지는, 이름의 부서 그리고 담당자까지",
        "株式会社\u3000サンプル",
        "O'Brien & Söhne; GmbH",
    ],
)
def test_any_name_survives(name: str) -> None:
    written = compose(replace(LETTER, to=f"{name} <{KIM}>"), SENDER).as_bytes()
    assert written.isascii()
    assert max(map(len, written.split(b"\r\n"))) <= 998
    header = str(make_header(decode_header(message_from_bytes(written)["To"])))
    assert header.rpartition(" <")[0].removeprefix('"').removesuffix('"').replace("\\", "") == name.strip('"').replace(
        "\\", ""
    )
    (address,) = message_from_bytes(written, policy=default)["To"].addresses
    assert address.addr_spec == KIM


def test_a_domain_in_other_letters_is_written_in_those_of_the_dns() -> None:
    assert compose(replace(LETTER, to="kim@例え.jp"), SENDER)["To"].addresses[0].addr_spec == "kim@xn--r8jz45g.jp"


def test_the_folder_holds_one_private_file_for_each_letter(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "mail"
    mailer = FolderMailer(folder, SENDER)
    assert mailer.send(LETTER) == ()
    mailer.send(replace(LETTER, text="again\n"))
    mailer.send(replace(LETTER, message_id="<CN-2026-000001.1@example.com>"))
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["CN-2026-000001.1@example.com.eml", "INV-2026-000001.7@example.com.eml"]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / names[1]).stat().st_mode & 0o777 == 0o600
    letter = message_from_bytes((folder / names[1]).read_bytes(), policy=default)
    plain = letter.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().strip() == "again"
    assert letter["Message-ID"] == LETTER.message_id


def test_a_folder_that_cannot_be_written_may_be_later(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("in the way")
    with pytest.raises(Busy, match="cannot be written") as busy:
        FolderMailer(tmp_path / "mail", SENDER).send(LETTER)
    assert busy.value.slug == "mail-unavailable"


def test_the_settings_choose_the_way_out(tmp_path: Path) -> None:
    open_mailer(Settings(data_dir=tmp_path)).send(LETTER)
    assert [path.suffix for path in (tmp_path / "mail").iterdir()] == [".eml"]
    assert isinstance(open_mailer(load_settings(data_dir=tmp_path, smtp_url="smtp://localhost")), SmtpMailer)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 25)),
        ("smtp://127.0.0.1:2525", SmtpServer("127.0.0.1", 2525)),
        ("smtp+starttls://u:p%40s%2Fs@mail.example.com", SmtpServer("mail.example.com", 587, "starttls", "u", "p@s/s")),
        ("smtps://u%40example.com:PW@[::1]:4465/", SmtpServer("::1", 4465, "tls", "u@example.com", "PW")),
    ],
)
def test_addresses_of_servers(url: str, server: SmtpServer) -> None:
    found = load_settings(smtp_url=url).smtp_url
    assert found is not None
    assert SmtpServer.of(found.get_secret_value()) == server
    assert (server.password or "-") not in repr(server)


@pytest.mark.parametrize(
    "settings",
    [
        {"smtp_url": "http://mail.example.com"},
        {"smtp_url": "smtp://"},
        {"smtp_url": "smtp://user@mail.example.com"},
        {"smtp_url": "smtp://mail.example.com:99999"},
        {"smtp_url": "smtp://mail.example.com/folder"},
        {"smtp_url": "mail.example.com"},
        {"mail_from": "billing"},
        {"mail_from": "a@b\nBcc: c@d"},
        {"mail_from": "Billing <billing@example.com"},
        {"retry_days": "3,1"},
        {"retry_days": "0,1"},
        {"retry_days": "1,x"},
        {"due_day": 29},
        {"close_grace_hours": 721},
        {"number_prefix_invoice": "inv-"},
    ],
    ids=str,
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, object]) -> None:
    with pytest.raises(Invalid, match=next(iter(settings)).upper()) as invalid:
        load_settings(**settings)
    assert invalid.value.slug == "wrong-settings"


def test_lists_in_the_environment_are_parted_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METERBOOK_RETRY_DAYS", "2, 4,8")
    assert load_settings().retry_days == (2, 4, 8)


def test_the_domain_of_the_sender() -> None:
    assert load_settings(mail_from="Billing <b@例え.jp>").mail_domain == "xn--r8jz45g.jp"
    assert load_settings().mail_domain == "localhost"
