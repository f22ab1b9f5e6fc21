"""A real SMTP server in the test process, of which each test says how it behaves."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER, PASSWORD = "billing", "s3cret / p@ss"


@dataclass
class Postbox:
    """What the server took, and what it says to recipients and contents; None is yes."""

    letters: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    of_recipient: dict[str, str] = field(default_factory=dict)
    of_sender: str | None = None
    of_content: str | None = None
    secured: list[bool] = field(default_factory=list)
    signed_in: list[bool] = field(default_factory=list)

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802 - aiosmtpd's name
        if self.of_sender is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return self.of_sender or "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if address in self.of_recipient:
            return self.of_recipient[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.of_content is not None:
            return self.of_content
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.letters.append(message)
        self.recipients.append(envelope.rcpt_tos)
        self.secured.append(session.ssl is not None)
        self.signed_in.append(bool(session.authenticated))
        return "250 taken"


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1 that only `client` trusts."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def know(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
    is_known = isinstance(given, LoginPassword) and (given.login, given.password) == (
        USER.encode(),
        PASSWORD.encode(),
    )
    # not "handled": the server answers, not this function
    return AuthResult(success=is_known, handled=False)


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def serve(postbox: Postbox) -> Iterator[Callable[..., int]]:
    """Start a server that puts letters into the postbox; return its port."""
    with ExitStack() as stack:

        def started(**how: Any) -> int:
            port = free_port()
            controller = Controller(postbox, hostname="127.0.0.1", port=port, **how)
            controller.start()
            stack.callback(controller.stop)
            return port

        yield started


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    folder: Path = tmp_path_factory.mktemp("certificate")
    key, paper = folder / "key.pem", folder / "certificate.pem"
    form = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(paper)]
    subprocess.run(["openssl", *form, *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(paper, key)
    return Certificate(server, ssl.create_default_context(cafile=str(paper)))


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port
