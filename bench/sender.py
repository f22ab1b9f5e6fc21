"""The client of the ingest benchmark, a process of its own that costs little: `python -m bench.sender`, see `send`.

Each connection has a thread and one request, 1,000 events ready to be sent, in which only the ids are made new.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np

from bench.load import BATCH, MARK, template

_STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_WAIT = re.compile(rb"\r\nretry-after: (\d+)", re.IGNORECASE)
_DIGITS = 10 ** np.arange(len(MARK) - 1, -1, -1)


@dataclass(frozen=True)
class Sent:
    """What came of it: events acknowledged a second, seconds from when a request was due until its answer, how often
    the server asked to come back, and how many cores the client took.

    `taken` holds for each connection the numbers of its first and of its last acknowledged request, with which the ids
    of the events begin; `cut` is how many connections the server broke off.
    """

    events_per_second: float
    seconds: list[float]
    taken: list[tuple[int, int]]
    refused: int
    cut: int
    client_cores: float


def send(port: int, key: str, connections: int, seconds: float, rate: float = 0, answer: str = "") -> Sent:
    """Send to a server on this machine from a process of its own; `rate` is in events a second, 0 sends all it can.

    An answer has to begin with `answer`. If the server goes away, it ends there.
    """
    command = [sys.executable, "-m", "bench.sender"]
    given = json.dumps([port, key, connections, seconds, rate, answer])
    told = subprocess.run(command, check=True, input=given.encode(), stdout=subprocess.PIPE).stdout
    return Sent(**json.loads(told))


def _sent(port: int, key: str, connections: int, seconds: float, rate: float, answer: str) -> Sent:
    threads = [_Connection(port, key, number, answer.encode()) for number in range(connections)]
    pause = connections * BATCH / rate if rate else 0
    begun, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(connections) as pool:
        runs = [
            pool.submit(each.run, begun + number * pause / connections, begun + seconds, pause)
            for number, each in enumerate(threads)
        ]
    times = [time for run in runs for time in run.result()]
    took = time.perf_counter() - begun
    return Sent(
        len(times) * BATCH / took,
        times,
        [each.taken for each in threads],
        sum(each.refused for each in threads),
        sum(each.cut for each in threads),
        (time.process_time() - cpu) / took,
    )


class _Connection:
    def __init__(self, port: int, key: str, number: int, answer: bytes) -> None:
        body = template(number)
        head = (
            f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/cloudevents-batch+json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._request = bytearray(head.encode() + body)
        places = np.array([found.start() for found in re.finditer(MARK, self._request)])
        self._places = places[:, None] + np.arange(len(MARK))
        self._bytes = np.frombuffer(self._request, np.uint8)
        # ids that no run before had: the first digits are of the moment, the last count up
        self._id = (int(time.time()) % 10_000 * 100 + number) * 10**6
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = answer
        self.taken = self._id + 1, self._id
        self.refused = 0
        self.cut = False

    def run(self, due: float, until: float, pause: float) -> list[float]:
        """Send until a moment, or the server is gone; return the seconds that each request took."""
        times = []
        while (now := time.perf_counter()) < until:
            if pause and now < due:
                time.sleep(due - now)
            begun = due if pause else now
            self._id += 1
            self._bytes[self._places] = self._id // _DIGITS % 10 + ord("0")
            try:
                self._post()
            except ConnectionError:
                self.cut = True
                break
            self.taken = self.taken[0], self._id
            times.append(time.perf_counter() - begun)
            due += pause
        self._socket.close()
        return times

    def _post(self) -> None:
        """Send the request until it is taken."""
        while True:
            self._socket.sendall(self._request)
            head, body = self._receive()
            status = _STATUS.match(head)
            if status is not None and status[1] == b"200" and body.startswith(self._answer):
                return
            wait = _WAIT.search(head)
            assert wait is not None, head + body
            self.refused += 1
            time.sleep(int(wait[1]))

    def _receive(self) -> tuple[bytes, bytes]:
        got = self._read()
        while b"\r\n\r\n" not in got:
            got += self._read()
        head, _, body = got.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        while length is not None and len(body) < int(length[1]):
            body += self._read()
        return head, body

    def _read(self) -> bytes:
        got = self._socket.recv(65_536)
        if not got:
            raise ConnectionError("the server is gone")
        return got


if __name__ == "__main__":
    sent = _sent(*json.loads(sys.stdin.read()))
    print(json.dumps(asdict(sent)))
