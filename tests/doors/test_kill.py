"""`kill -9` at any moment of a load: every acknowledged event is there afterwards, once."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from tests.doors.conftest import CATALOG, Served, start, stop, wait_ready

CONNECTIONS = 4
KILLS = 3
LOAD_SECONDS = 20
EVENTS_A_BATCH = 100
# New batches of each connection in a second: enough to be in the middle of one, and to leave time to check them all.
BATCHES_A_SECOND = 15
TYPES = {"Content-Type": "application/cloudevents-batch+json"}


def batch(ids: Sequence[str], value: str = "1", at: str = "2026-06-01T10:30:00Z") -> bytes:
    return json.dumps(
        [
            {
                "specversion": "1.0",
                "id": id_,
                "source": "load",
                "type": "request.count",
                "subject": "kill",
                "time": at,
                "data": {"value": value, "resource": "lb"},
            }
            for id_ in ids
        ]
    ).encode()


@dataclass
class Sender:
    """One connection: what it sent, and what of that was acknowledged."""

    name: str
    numbers: Iterator[int] = field(default_factory=count)
    sent: list[str] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)

    def send_until_killed(self, served: Served, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"} | TYPES
        wait = threading.Event().wait
        with httpx.Client(base_url=served.url, headers=headers, timeout=60, verify=False, trust_env=False) as client:
            try:
                # what was on its way when the server was killed is sent again first, as a client does
                ids = [id_ for id_ in self.sent if id_ not in self.acknowledged]
                while True:
                    answer = client.post("/api/v1/events", content=batch(ids))
                    assert answer.status_code == 200, answer.text
                    assert answer.json()["rejected"] == []
                    self.acknowledged.update(ids)
                    ids = [f"{self.name}-{next(self.numbers)}" for _ in range(EVENTS_A_BATCH)]
                    self.sent += ids
                    wait(random.uniform(0, 2 / BATCHES_A_SECOND))
            except httpx.TransportError:
                return


def load_and_kill(folder: Path, senders: Sequence[Sender], key: str | None, seconds: float) -> str:
    """Start the server, load it, and kill it after some seconds; return the key used, made the first time."""
    threads: list[threading.Thread] = []
    process = start(folder)
    try:
        served = wait_ready(process, folder)
        if key is None:
            served.run("catalog", "apply", str(CATALOG))
            served.account("kill", projects=["kill"])
            key = served.key("events", "kill")
        threads = [threading.Thread(target=sender.send_until_killed, args=(served, key)) for sender in senders]
        for thread in threads:
            thread.start()
        threading.Event().wait(seconds)
    finally:
        process.kill()
        process.wait()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
    return key


def counted(served: Served) -> int:
    usage = served.get("/usage", project="kill", from_="2026-01-01", until="2027-01-01", window="month")
    return sum(int(item["quantity"]) for item in usage["items"])


def check(served: Served, key: str, senders: Sequence[Sender]) -> None:
    sent = {id_ for sender in senders for id_ in sender.sent}
    acknowledged = {id_ for sender in senders for id_ in sender.acknowledged}
    before = counted(served)
    assert len(acknowledged) <= before <= len(sent)

    def again(ids: Sequence[str], **changed: str) -> tuple[int, int]:
        accepted = duplicates = 0
        for begin in range(0, len(ids), 10_000):
            body = batch(ids[begin : begin + 10_000], **changed)
            receipt = served.api("POST", "/events", key, content=body, headers=TYPES).json()
            assert receipt["rejected"] == []
            accepted, duplicates = accepted + receipt["accepted"], duplicates + receipt["duplicates"]
        return accepted, duplicates

    # the first one stays, also when the other has another value and another time
    assert again(list(acknowledged), value="1000", at="2026-05-01T10:30:00Z") == (0, len(acknowledged))
    assert counted(served) == before
    assert again(list(sent)) == (len(sent) - before, before)
    assert counted(served) == len(sent)
    preview = served.get("/invoices/preview", account="kill", month="2026-06")
    assert [line["quantity"] for group in preview["groups"] for line in group["lines"]] == [str(len(sent))]


def test_every_acknowledged_event_is_there_once_after_three_kills(tmp_path: Path) -> None:
    senders = [Sender(f"c{number}") for number in range(CONNECTIONS)]
    key: str | None = None
    acknowledged = 0
    for _ in range(KILLS):
        key = load_and_kill(tmp_path, senders, key, random.uniform(2, 2 * LOAD_SECONDS / KILLS - 2))
        assert sum(len(sender.acknowledged) for sender in senders) > acknowledged, "nothing was sent before the kill"
        acknowledged = sum(len(sender.acknowledged) for sender in senders)
    assert key is not None
    process = start(tmp_path)
    try:
        check(wait_ready(process, tmp_path), key, senders)
    finally:
        stop(process)
