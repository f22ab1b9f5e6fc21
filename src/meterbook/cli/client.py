"""The command line's way to the API: over the network when a server owns the folder, else in this process."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio.from_thread
import httpx

from meterbook.errors import MeterbookError, Refused
from meterbook.settings import Settings, load_settings

RUN_FILE: Final = "server.json"
API: Final = "/api/v1"
# a server that is there answers a small question at once; a read or an import may take its time
HELLO_SECONDS: Final = 2
_OWNER_SAYS: Final = (200, 429, 503)
ANSWER_SECONDS: Final = 600
# it is plain HTTP on this machine: loading certificates would take longer than the answer
_NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Answered(MeterbookError):
    """The API refused; the message is the problem's detail."""

    kind = "answered"
    default_slug = "answered"


class Client:
    """A caller of the API with the operator's proof; raises `Answered` for every answer that is a problem."""

    def __init__(self, run: Callable[..., Any], http: httpx.AsyncClient) -> None:
        self._run, self._http = run, http

    def get(self, path: str, **query: object) -> Any:
        """Read a resource; parameters that are None are left out."""
        return self._call("GET", path, params=_given(query))

    def post(self, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None) -> Any:
        """Add a resource; members that are None are left out."""
        return self._call("POST", path, json=_given(body), headers=dict(headers or {}))

    def put(self, path: str, body: Mapping[str, object]) -> Any:
        """Write a resource; members that are None are left out."""
        return self._call("PUT", path, json=_given(body))

    def download(self, path: str) -> bytes:
        """Read a file."""
        content: bytes = self._call("GET", path, whole=True)
        return content

    def every(self, path: str, **query: object) -> list[Any]:
        """Read a whole list, page by page."""
        answer = self.get(path, **query)
        items: list[Any] = answer["items"]
        while answer["next_cursor"] is not None:
            answer = self.get(path, **query, cursor=answer["next_cursor"])
            items += answer["items"]
        return items

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Change a resource; a member that is None is taken away."""
        return self._call("PATCH", path, json=dict(body))

    def delete(self, path: str) -> None:
        """Take a resource away."""
        self._call("DELETE", path)

    def send(self, method: str, path: str, content: bytes, content_type: str) -> Any:
        """Send a body as it is."""
        return self._call(method, path, content=content, headers={"Content-Type": content_type})

    def _call(self, method: str, path: str, whole: bool = False, **how: Any) -> Any:
        try:
            answer: httpx.Response = self._run(partial(self._http.request, method, API + path, **how))
        except httpx.TransportError as error:
            raise Refused(f"The server stopped answering ({error}): check it and run the command again.") from error
        if answer.is_success:
            if whole:
                return answer.content
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
        except json.JSONDecodeError:
            problem = {"detail": f"{answer.status_code} from {answer.request.url}"}
        raise Answered(problem["detail"], problem.get("type", "").rpartition(":")[2] or None, **problem)


@contextmanager
def connected(data_dir: Path | None) -> Iterator[Client]:
    """Give a client of the folder's API: its running server, or the application opened here for the while."""
    settings = load_settings(data_dir=data_dir)
    if (found := running_server(settings)) is not None:
        url, token = found
        with _client(token, base_url=url) as client:
            yield client
        return
    # the whole application takes more than a second to import, which beside a server is not needed
    from meterbook.house import open_house
    from meterbook.main import create_app

    with open_house(settings) as house:
        app = create_app(house)
        with in_process(app) as client:
            yield client


@contextmanager
def in_process(app: Any) -> Iterator[Client]:
    """Give a client of an application in this process."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    with _client(app.state.local_token, base_url="http://meterbook", transport=transport) as client:
        yield client


@contextmanager
def _client(token: str, **how: Any) -> Iterator[Client]:
    with anyio.from_thread.start_blocking_portal() as portal:
        headers = {"Authorization": f"Bearer {token}"}
        http = httpx.AsyncClient(
            headers=headers, timeout=ANSWER_SECONDS, trust_env=False, verify=_NO_CERTIFICATES, **how
        )
        try:
            yield Client(portal.call, http)
        finally:
            portal.call(http.aclose)


def running_server(settings: Settings) -> tuple[str, str] | None:
    """Return the address and the local token of the server that owns the folder, if one answers."""
    try:
        written = json.loads((settings.data_dir / RUN_FILE).read_text())
        url, token = str(written["url"]), str(written["token"])
        asked, proof = f"{url}{API}/accounts?limit=1", {"Authorization": f"Bearer {token}"}
        answer = httpx.get(asked, headers=proof, timeout=HELLO_SECONDS, trust_env=False, verify=_NO_CERTIFICATES)
    except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError, httpx.InvalidURL):
        return None  # no file, half a file, or one that a killed server left behind
    # at the address of a killed server another may listen by now, even one of ours, but it knows another token
    return (url, token) if answer.status_code in _OWNER_SAYS else None


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
