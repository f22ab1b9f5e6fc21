"""Letters by mail: one form, and two ways out of the house: an SMTP server, or a folder of .eml files.

A letter carries the Message-ID that its caller gives it: sent again after a crash, it is recognizably the same letter.
"""

from __future__ import annotations

import os
import re
import smtplib
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from pathlib import Path
from typing import Any, Final, Literal, Protocol, Self
from urllib.parse import unquote, urlsplit

from meterbook.errors import Busy, Refused
from meterbook.settings import Settings

FOLDER: Final = "mail"
SMTP_SECONDS: Final = 30
# What most servers take, counted as sent, where base64 adds a third.
LETTER_BYTES_MAX: Final = 25_000_000
RECIPIENTS_MAX: Final = 20
SUBJECT_LENGTH_MAX: Final = 200
NAME_LENGTH_MAX: Final = 200
NAME_IN_LETTER_MAX: Final = 80  # characters; a subject has to hold it beside other words
ANSWER_LENGTH_MAX: Final = 200
_ADDRESS_HEADERS: Final = frozenset({"from", "to", "cc"})
# It is the file's name too.
_MESSAGE_ID: Final = re.compile(r"<([A-Za-z0-9][A-Za-z0-9._+=-]{0,99}@[A-Za-z0-9.-]{1,100})>")
_ADDRESS: Final = re.compile(r"""[^\s<>()\[\]@,;:"\\]{1,64}@[^\s<>()\[\]@,;:"\\]{1,190}""")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PORTS: Final = {"none": 25, "starttls": 587, "tls": 465}
# "Sign in first" and the like: it is the settings that are wrong, not the letter.
_SIGN_IN_CODES: Final = frozenset({530, 534, 535, 538})

Tls = Literal["none", "starttls", "tls"]


class _OneALine(EmailPolicy):
    """Writes addresses one a line: the standard library breaks a long name with commas or brackets in pieces."""

    def fold(self, name: str, value: Any) -> str:
        if name.lower() not in _ADDRESS_HEADERS:
            return str(super().fold(name, value))
        between = "," + self.linesep + " "
        return f"{name}: {between.join(_written(address, self) for address in value.addresses)}{self.linesep}"

    def fold_binary(self, name: str, value: Any) -> bytes:
        if name.lower() not in _ADDRESS_HEADERS:
            return super().fold_binary(name, value)
        return self.fold(name, value).encode()


# Seven bits throughout: a server that knows no 8BITMIME takes it as well.
_POLICY: Final = _OneALine(linesep="\r\n", cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a letter; the media type is like "application/pdf"."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent. Addresses are bare (billing@example.com) or with a name (Example, Inc. <billing@example.com>).

    `message_id` is like <invoice-7@billing.example.com>: letters, digits and . _ + = - only. `date` has a zone;
    `language` is en, ko or ja.
    """

    to: str
    subject: str
    text: str
    message_id: str
    date: datetime
    language: str
    cc: tuple[str, ...] = ()
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()


class Mailer(Protocol):
    """A way out of the house."""

    def send(self, letter: Letter) -> tuple[str, ...]:
        """Hand the letter over; return the recipients that were refused while others took it.

        Raises `Refused` "mail-refused" when it will never be taken, `Busy` "mail-unavailable" when it may be later.
        """
        ...


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where an SMTP server is and how to speak to it; without a user it is not signed in to."""

    host: str
    port: int
    tls: Tls = "none"
    user: str | None = None
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the address that the settings have checked: smtp://, smtp+starttls:// or smtps://."""
        parts = urlsplit(url)
        tls: Tls = "tls" if parts.scheme == "smtps" else "starttls" if parts.scheme == "smtp+starttls" else "none"
        assert parts.hostname is not None
        user = None if parts.username is None else unquote(parts.username)
        return cls(parts.hostname, parts.port or _PORTS[tls], tls, user, unquote(parts.password or ""))


class SmtpMailer:
    """Sends over SMTP, with a connection for each letter; certificates are checked unless `context` says otherwise."""

    def __init__(self, server: SmtpServer, sender: str, context: ssl.SSLContext | None = None) -> None:
        self._server = server
        self._sender = sender
        self._context = context

    def send(self, letter: Letter) -> tuple[str, ...]:
        """Hand the letter to the server, which answers for it from then on."""
        message = compose(letter, self._sender)
        recipients = [address.addr_spec for header in ("To", "Cc") for address in _addresses(message, header)]
        sender = _addresses(message, "From")[0].addr_spec
        with self._connection() as connection:
            try:
                refused = connection.send_message(message, sender, recipients)
            except (smtplib.SMTPException, OSError) as error:
                raise _told(error) from error
        return tuple(refused)

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        """Give a connection that is greeted, secured and signed in; all that fails there may be better later."""
        try:
            connection = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            raise self._unavailable(error) from error
        try:
            self._greet(connection)
            yield connection
        finally:
            # the letter is taken or not by now; how the server says goodbye changes nothing
            with suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        if server.tls == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=SMTP_SECONDS, context=self._secure())
        return smtplib.SMTP(server.host, server.port, timeout=SMTP_SECONDS)

    def _greet(self, connection: smtplib.SMTP) -> None:
        try:
            connection.ehlo_or_helo_if_needed()
            if self._server.tls == "starttls":
                connection.starttls(context=self._secure())
                connection.ehlo_or_helo_if_needed()
            if self._server.user is not None:
                connection.login(self._server.user, self._server.password)
        except (smtplib.SMTPException, OSError) as error:
            raise self._unavailable(error) from error

    def _secure(self) -> ssl.SSLContext:
        return self._context or ssl.create_default_context()

    def _unavailable(self, error: Exception) -> Busy:
        place = f"{self._server.host}:{self._server.port}"
        return Busy(
            f"The mail server {place} cannot be used now ({_reason(error)}): check it and METERBOOK_SMTP_URL. "
            "The letter is sent again later.",
            "mail-unavailable",
        )


class FolderMailer:
    """Writes each letter to a folder, as one file named after its Message-ID."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    def send(self, letter: Letter) -> tuple[str, ...]:
        """Write the letter, whole or not at all, readable by its owner alone; again is the same file."""
        content = compose(letter, self._sender).as_bytes()
        name = _bare(letter.message_id) + ".eml"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, half = tempfile.mkstemp(suffix=".half", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                Path(half).replace(self._folder / name)
            except BaseException:
                Path(half).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise Busy(
                f"The folder of mail {self._folder} cannot be written ({error.strerror}): check its disk and owner. "
                "The letter is written again later.",
                "mail-unavailable",
            ) from error
        return ()


def open_mailer(settings: Settings) -> Mailer:
    """Return the way out that the settings name: their SMTP server, else the folder in the data folder."""
    if settings.smtp_url is not None:
        return SmtpMailer(SmtpServer.of(settings.smtp_url.get_secret_value()), settings.mail_from)
    return FolderMailer(settings.data_dir / FOLDER, settings.mail_from)


def compose(letter: Letter, sender: str) -> EmailMessage:
    """Write the letter as a message of RFC 5322 and MIME, in seven bits unless an address itself needs more.

    Raises `Refused` for one that no server would take: broken addresses, line ends in a header, too much of anything.
    """
    _bare(letter.message_id)
    if len(letter.subject) > SUBJECT_LENGTH_MAX or len(letter.cc) >= RECIPIENTS_MAX:
        raise _refused(f"at most {SUBJECT_LENGTH_MAX} characters of subject and {RECIPIENTS_MAX} recipients fit")
    if _CONTROLS.search(letter.subject):
        raise _refused("its subject has more than one line")
    if sum(len(each.content) for each in letter.attachments) > LETTER_BYTES_MAX:
        raise _too_large()
    try:
        people = [_address(each) for each in (sender, letter.to, *letter.cc)]
        international = not all(each.addr_spec.isascii() for each in people)
        message = EmailMessage(_POLICY.clone(utf8=True) if international else _POLICY)
        message["From"], message["To"] = people[:2]
        if letter.cc:
            message["Cc"] = tuple(people[2:])
        message["Subject"] = letter.subject
        _fill(message, letter)
    except ValueError as error:
        raise _refused(str(error)) from error
    message["Date"] = letter.date
    message["Message-ID"] = letter.message_id
    message["Content-Language"] = letter.language
    # RFC 3834: no one's holiday notice should answer it
    message["Auto-Submitted"] = "auto-generated"
    if len(message.as_bytes()) > LETTER_BYTES_MAX:
        raise _too_large()
    return message


def _fill(message: EmailMessage, letter: Letter) -> None:
    message.set_content(letter.text)
    if letter.html is not None:
        message.add_alternative(letter.html, subtype="html")
    for each in letter.attachments:
        kind, _, subtype = each.media_type.partition("/")
        message.add_attachment(each.content, maintype=kind, subtype=subtype, filename=each.name)


def _address(given: str) -> Address:
    """Read an address with or without a name; a domain in other letters is written in those of the DNS."""
    name, _, rest = given.rpartition("<")
    address = rest.removesuffix(">") if name and rest.endswith(">") else given
    if not _ADDRESS.fullmatch(address) or len(name) > NAME_LENGTH_MAX or _CONTROLS.search(given):
        raise ValueError(f"{given[:NAME_LENGTH_MAX]!r} is not a mail address")
    user, _, domain = address.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    return Address(name.strip().strip('"'), user, domain)


def fit_for_letter(name: str) -> str:
    """Return a name as letters write it, cut where a subject could not hold it."""
    return name if len(name) <= NAME_IN_LETTER_MAX else name[: NAME_IN_LETTER_MAX - 1] + "…"


def _written(address: Address, policy: EmailPolicy) -> str:
    """Return the address as a header shows it: a name in other letters as encoded words (RFC 2047)."""
    if policy.utf8 or address.display_name.isascii():
        return str(address)
    return f"{Header(address.display_name, 'utf-8').encode(linesep=policy.linesep)} <{address.addr_spec}>"


def _addresses(message: EmailMessage, header: str) -> tuple[Address, ...]:
    found = message[header]
    return () if found is None else tuple(found.addresses)


def _bare(message_id: str) -> str:
    found = _MESSAGE_ID.fullmatch(message_id)
    assert found is not None, f"{message_id!r} is no Message-ID of ours"
    return found[1]


def _told(error: Exception) -> Busy | Refused:
    """Return what an error in handing over means: whether the same letter may be taken later."""
    codes = _codes(error)
    permanent = bool(codes) and all(code >= 500 and code not in _SIGN_IN_CODES for code in codes)
    if permanent or isinstance(error, smtplib.SMTPNotSupportedError):
        return _refused(_reason(error))
    return Busy(
        f"The mail server did not take the letter now ({_reason(error)}). It is sent again later.", "mail-unavailable"
    )


def _codes(error: Exception) -> list[int]:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        refused: Mapping[str, tuple[int, bytes]] = error.recipients
        return [code for code, _ in refused.values()]
    return [error.smtp_code] if isinstance(error, smtplib.SMTPResponseException) else []


def _reason(error: Exception) -> str:
    """Return the server's own words, bounded, or the operating system's."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        told = "; ".join(f"{who}: {code} {_words(answer)}" for who, (code, answer) in error.recipients.items())
    elif isinstance(error, smtplib.SMTPResponseException):
        told = f"{error.smtp_code} {_words(error.smtp_error)}"
    else:
        told = str(error) or type(error).__name__
    return told[:ANSWER_LENGTH_MAX]


def _words(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return " ".join(text.split())


def _refused(reason: str) -> Refused:
    return Refused(
        f"The letter is refused ({reason}): correct the recipient's address or the letter, then send it again.",
        "mail-refused",
    )


def _too_large() -> Refused:
    return _refused(f"with its attachments it is over {LETTER_BYTES_MAX:,} bytes")
