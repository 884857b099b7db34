"""The callers of a soak: threads that ask, read slowly, or send what no client would, until they are told to stop."""

import json
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from bench.fleet import Fleet
from bench.measure import ProgramFailed
from bench.stage import LARGE, SMALL, Answer, Caller, Stage
from bench.tally import Tally, kind_of_failure, kind_of_refusal

TIMESTAMP: Final = "/catalogue/timestamp.json"
FRAIL: Final = "/releases/sdk/small/1.0/any/pack"
"""The file that a fault takes away for a while."""

_RANGE = 256 * 2**10
_SLOW_SECONDS = 20.0  # of one slow reader


class Known(NamedTuple):
    """What the mirror serves: read once before, and compared with every answer."""

    files: Mapping[str, bytes]
    etag: str


class Crowd:
    """Everybody, as a context manager: they begin when it is entered, and have ended when it is left."""

    def __init__(self, stage: Stage, url: str, known: Known, fleet: Fleet, tally: Tally) -> None:
        self.garbage = 0
        self._stage, self._url, self._known, self._tally = stage, url, known, tally
        self._minted = list(fleet.accepted)
        self._stop = threading.Event()
        self._ended: list[str] = []
        self._random = random.Random(7)  # noqa: S311  # which range, which garbage
        turns: list[tuple[int, float, Callable[[Caller], None]]] = [
            (4, 0.01, self._poll),
            (1, 0.02, self._catalogue),
            (1, 0.02, self._manifest),
            (2, 0.02, self._range),
            (1, 0.1, self._frail),
            (2, 0.02, self._handshake),
            (4, 0.005, fleet.send),
            (3, 0.1, self._slow),
            (1, 0.1, self._garbage),
        ]
        self._threads = [
            threading.Thread(target=self._go_on, args=(pause, turn), name=turn.__name__)
            for count, pause, turn in turns
            for _ in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if len(self._ended) < len(self._threads):
            raise ProgramFailed("a caller of the soak failed: see above.")

    def _go_on(self, pause: float, turn: Callable[[Caller], None]) -> None:
        with self._stage.caller(self._url) as caller:
            while not self._stop.is_set():
                turn(caller)
                self._stop.wait(pause)
        self._ended.append(turn.__name__)

    def _poll(self, caller: Caller) -> None:
        headers = {"If-None-Match": self._known.etag}
        self._ask(caller, "poll", TIMESTAMP, headers, lambda answer: answer.status == 304 and not answer.body)

    def _catalogue(self, caller: Caller) -> None:
        names = [path for path in self._known.files if path.startswith("/catalogue/")]
        self._whole(caller, "catalogue", self._random.choice(names))

    def _manifest(self, caller: Caller) -> None:
        self._whole(caller, "manifest", SMALL)

    def _frail(self, caller: Caller) -> None:
        self._whole(caller, "frail", FRAIL)

    def _range(self, caller: Caller) -> None:
        whole = self._known.files[LARGE]
        first = self._random.randrange(len(whole) - _RANGE)
        part = whole[first : first + _RANGE]
        headers = {"Range": f"bytes={first}-{first + _RANGE - 1}"}
        self._ask(caller, "range", LARGE, headers, lambda answer: answer.status == 206 and answer.body == part)

    def _handshake(self, _: Caller) -> None:
        with self._stage.caller(self._url) as caller:
            self._whole(caller, "handshake", TIMESTAMP)

    def _whole(self, caller: Caller, role: str, path: str) -> None:
        content = self._known.files[path]
        self._ask(caller, role, path, {}, lambda answer: answer.status == 200 and answer.body == content)

    def _ask(
        self, caller: Caller, role: str, path: str, headers: Mapping[str, str], good: Callable[[Answer], bool]
    ) -> None:
        begun, used = time.monotonic(), caller.used
        minted = self._random.choice(self._minted)
        try:
            answer = caller.ask("GET", path, {"Spot-Installation": minted, **headers})
        except (OSError, HTTPException) as error:
            self._tally.error(role, kind_of_failure(error, used=used), begun)
            return
        if (wait := self._tally.limit(role, answer)) is not None:
            self._stop.wait(wait)
        elif good(answer):
            self._tally.answer(role, begun)
        else:
            right = answer.status in {200, 206, 304}
            self._tally.error(role, "other-content" if right else kind_of_refusal(answer), begun)

    def _slow(self, _: Caller) -> None:
        """Reads a pack at some 64 KiB a second, which is borne, and hangs up."""
        begun = time.monotonic()
        try:
            with self._stage.socket(self._url) as tls:
                tls.sendall(f"GET {LARGE} HTTP/1.1\r\nHost: mirror\r\n\r\n".encode())
                while time.monotonic() < begun + _SLOW_SECONDS and not self._stop.wait(0.25):
                    if not tls.recv(16 * 2**10):
                        self._tally.error("slow-reader", "broken-off", begun)
                        return
        except OSError as error:
            self._tally.error("slow-reader", kind_of_failure(error, used=False), begun)
        else:
            self._tally.answer("slow-reader", begun)

    def _garbage(self, _: Caller) -> None:
        """Connects, and is no client: what comes back does not matter, so long as the mirror goes on."""
        place = urlsplit(self._url)
        shapes = (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(500), b"\x16\x03\x01\x02\x00\x01" + os.urandom(40))
        self.garbage += 1
        try:
            with socket.create_connection((place.hostname or "", place.port or 443), timeout=2) as plain:
                if self._random.random() < 0.2:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # a real handshake, but without a certificate
                    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                    with context.wrap_socket(plain) as tls:
                        tls.recv(1)
                else:
                    plain.sendall(self._random.choice(shapes))
                    self._stop.wait(self._random.random())
        except OSError:
            return


def look(caller: Caller) -> Known:
    """What is there before anything happens.

    Raises:
        ProgramFailed: the mirror does not serve it.
    """

    def read(path: str) -> Answer:
        answer = caller.ask("GET", path)
        if answer.status != 200:
            raise ProgramFailed(f"the mirror answers {path} with {kind_of_refusal(answer)}")
        return answer

    timestamp = read(TIMESTAMP)
    number = json.loads(timestamp.body)["signed"]["meta"]["snapshot.json"]["version"]
    snapshot = f"/catalogue/{number}.snapshot.json"
    meta = json.loads(read(snapshot).body)["signed"]["meta"]
    roles = [f"/catalogue/{meta[f'{role}.json']['version']}.{role}.json" for role in ("targets", "sdk")]
    paths = ("/catalogue/1.root.json", snapshot, *roles, SMALL, LARGE, FRAIL)
    files = {TIMESTAMP: timestamp.body, **{path: read(path).body for path in paths}}
    return Known(files, timestamp.headers["etag"])


def blob(stage: Stage, path: str) -> Path:
    """Where the mirror keeps what it serves under that path of a release."""
    return stage.folder / "data" / path[1:]
