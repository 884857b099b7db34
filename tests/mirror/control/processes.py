"""What the tests of running workers share: who runs, who has which connection, and clients that never stop."""

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Final

import msgspec

from spot_client.wire import thin_snapshot
from tests.ca.house import Party
from tests.mirror.content.rig import Caller, Mirror

VERSIONS: Final = ("1.40.0", "1.39.0")
"""Of sdk/botocore; a client has them in turn, so each thin snapshot that is stored is a line of its own."""


def workers(process: subprocess.Popen[str]) -> set[int]:
    """The processes that control started and that still run."""
    return {pid for pid in map(int, _numbers(Path("/proc"))) if _state(pid)[1:] == [str(process.pid)]}


def runs(pid: int) -> bool:
    """Whether the process is there, and not only its exit status."""
    return bool(_state(pid))


def _state(pid: int) -> list[str]:
    with suppress(OSError):
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
        return found if found[0] != "Z" else []
    return []


def _numbers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.isdigit()]


def owner(here: int, port: int, among: set[int]) -> int:
    """The process that has the connection from `port` to the mirror's port `here`."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = (f":{here:04X}", f":{port:04X}")
    (inode,) = (line[9] for line in lines if line[3] == "01" and (line[1][-5:], line[2][-5:]) == ends)
    for pid in among:
        for number in _numbers(Path(f"/proc/{pid}/fd")):
            with suppress(OSError):
                if str(Path(f"/proc/{pid}/fd/{number}").readlink()) == f"socket:[{inode}]":
                    return pid
    raise AssertionError(f"nobody has the connection of port {port}")


def on_each(mirror: Mirror, process: subprocess.Popen[str], party: Party) -> dict[int, Caller]:
    """A connection to every worker."""
    found: dict[int, Caller] = {}
    running = workers(process)
    for _ in range(100):
        caller = mirror.caller(party)
        assert caller("/licences")[0] == 200
        port = caller.connection.sock.getsockname()[1]
        found.setdefault(owner(mirror.port, port, running), caller)
        if len(found) == len(running):
            return found
    raise AssertionError(f"only {len(found)} workers of {len(running)} were met")


def logged(mirror: Mirror, event: str) -> list[dict[str, object]]:
    """What the mirror logged of an event."""
    lines = [msgspec.json.decode(line) for line in mirror.stderr().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


class Client:
    """Sends thin snapshots one after the other, on a new connection now and then."""

    def __init__(self, mirror: Mirror, number: int, stop: threading.Event) -> None:
        self._mirror, self._stop = mirror, stop
        self._context = mirror.context(mirror.party())
        self._caller = Caller(mirror.port, self._context)
        raw = self._caller("/installations", "POST", Idempotency_Key=f"client-number-{number:04}")[2]
        self.installation: str = msgspec.json.decode(raw)["installation"]
        self.accepted = 0
        self.broken = 0
        self.refused = 0

    def run(self) -> None:
        while not self._stop.is_set():
            body = thin_snapshot.encode({"sdk/botocore": VERSIONS[self.accepted % 2]})
            try:
                status = self._caller(f"/installations/{self.installation}/thin-snapshot", "PUT", body)[0]
            except ConnectionRefusedError:
                self.refused += 1
            except (OSError, HTTPException):
                self.broken += 1
                self._renew()
            else:
                assert status == 204
                self.accepted += 1
                if self.accepted % 20 == 0:
                    self._renew()
        self._caller.close()

    def _renew(self) -> None:
        self._caller.close()
        self._caller = Caller(self._mirror.port, self._context)


@contextmanager
def load(mirror: Mirror, count: int) -> Iterator[list[Client]]:
    """So many clients at work; at the end, every thin snapshot that was accepted is stored."""
    stop = threading.Event()
    clients = [Client(mirror, number, stop) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(client.run) for client in clients]
        try:
            yield clients
        finally:
            stop.set()
        for one in running:
            one.result(30)
    with mirror.records() as records:
        stored = {client.installation: len(records.thin_snapshots(client.installation)) for client in clients}
    # One whose answer was cut off was sent again, and is the same line.
    lost = {client.installation: client.accepted - stored[client.installation] for client in clients}
    assert set(lost.values()) <= {0, -1}
