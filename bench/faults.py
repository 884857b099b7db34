"""The faults of a soak: what is done to a running mirror, and which errors that excuses."""

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPException
from pathlib import Path

from bench import processes
from bench.crowd import FRAIL, TIMESTAMP, blob
from bench.stage import Caller, Stage
from bench.tally import Fault, Tally, kind_of_refusal
from ca.tls import client_context, read_pins
from mirror.records.sqlite import FILE_NAME

_BROKEN = ("* broken-off", "* closed", "* refused", "* timeout")
_PATIENCE = 15.0  # seconds until a change has to be seen
_FROM_MEMORY = "still answered"
_EXTRA = "/catalogue/1.extra.json"


class Faults:
    """What can be done to the mirror of a stage, each at once and undone when it returns."""

    def __init__(self, stage: Stage, pid: int, url: str, tally: Tally, lock_seconds: float) -> None:
        """`lock_seconds`: for how long the records are locked."""
        self._stage, self._pid, self._url, self._tally = stage, pid, url, tally
        self._lock_seconds = lock_seconds
        self._spares = 0
        self.done: list[Fault] = []

    def all(self) -> Sequence[Callable[[], None]]:
        """Every fault."""
        return (self.kill, self.lock, self.revoke, self.license, self.hang_up, self.delete)

    def kill(self) -> None:
        """Kill a worker."""
        before = processes.family(self._pid)[1:]
        if not before:
            self._note("worker-killed", time.monotonic(), (), "the mirror is one process: there was none to kill")
            return
        begun = time.monotonic()
        processes.kill(next(filter(_is_worker, before), before[0]))
        while set(processes.family(self._pid)[1:]) <= set(before):
            if time.monotonic() > begun + _PATIENCE:
                self._tally.error("worker", "not-restarted", begun)
                break
            time.sleep(0.02)
        self._note("worker-killed", begun, _BROKEN, f"another one after {time.monotonic() - begun:.2f} s")

    def lock(self) -> None:
        """Hold the records' lock in another process's stead."""
        begun = time.monotonic()
        store_file = self._stage.folder / "data" / FILE_NAME
        with closing(sqlite3.connect(store_file, timeout=_PATIENCE, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")
            time.sleep(self._lock_seconds)
            store.execute("ROLLBACK")
        explains = ("thin-snapshot status-503 *", "thin-snapshot timeout")
        self._note("records-locked", begun, explains, f"for {self._lock_seconds:.1f} s")

    def revoke(self) -> None:
        """Issue a certificate for a new customer and revoke it, and see when it is refused."""
        name, begun = f"spare-{self._spares}", time.monotonic()
        self._spares += 1
        folder, run = self._stage.folder / "spares", self._stage.programs.run
        run("spot-mirror", "customer", "add", name)
        run("spot-ca", "issue", "client", name, "--out", "spares")
        pins = read_pins(self._stage.pin.read_bytes())
        context = client_context(certificate=folder / f"{name}.crt", key=folder / f"{name}.key", pins=pins)
        with Caller(self._url, context) as caller:
            self._await(caller, TIMESTAMP, 200, "revocation")
            run("spot-ca", "revoke", name)
            seen = self._await(caller, TIMESTAMP, 403, "revocation")
        self._note("crl-replaced", begun, (), f"refused {seen:.2f} s after it was signed")

    def license(self) -> None:
        """Grant a licence, and end it; see when each holds."""
        begun, run = time.monotonic(), self._stage.programs.run
        with self._stage.caller(self._url) as caller:
            self._await(caller, _EXTRA, 403, "licence")
            run("spot-mirror", "licence", "grant", "acme", "extra")
            granted = self._await(caller, _EXTRA, 404, "licence")
            run("spot-mirror", "licence", "end", "acme", "extra")
            ended = self._await(caller, _EXTRA, 403, "licence")
        said = f"granted held after {granted:.2f} s, ended after {ended:.2f} s"
        self._note("licence-changed", begun, (), said)

    def hang_up(self) -> None:
        """SIGHUP."""
        begun = time.monotonic()
        os.kill(self._pid, signal.SIGHUP)
        time.sleep(1)
        self._note("hangup", begun, ("* closed",), "sent")

    def delete(self) -> None:
        """Take a release's bytes away, and put them back."""
        begun, path = time.monotonic(), blob(self._stage, FRAIL)
        aside = Path(shutil.move(path, self._stage.folder / "aside"))
        try:
            with self._stage.caller(self._url) as caller:
                end, said = time.monotonic() + 3.0, _said(caller)
                time.sleep(1.0)  # for others to meet it
                while said == _FROM_MEMORY and time.monotonic() < end:
                    time.sleep(0.1)
                    said = _said(caller)
        finally:
            shutil.move(aside, path)
        self._note("blob-deleted", begun, ("frail *",), said)

    def _await(self, caller: Caller, path: str, status: int, role: str) -> float:
        """Ask until that is the answer; the seconds that it took."""
        begun = time.monotonic()
        while time.monotonic() < begun + _PATIENCE:
            try:
                if caller.ask("GET", path).status == status:
                    return time.monotonic() - begun
            except (OSError, HTTPException):
                pass  # a connection of somebody who was revoked may be closed: the next one is answered
            time.sleep(0.02)
        self._tally.error(role, f"no-{status}", begun)
        return time.monotonic() - begun

    def _note(self, name: str, begun: float, explains: Sequence[str], said: str) -> None:
        self.done.append(Fault(name, begun, time.monotonic(), explains, said))


def _said(caller: Caller) -> str:
    """What the mirror says of the file that was taken away."""
    try:
        answer = caller.ask("GET", FRAIL)
    except (OSError, HTTPException):
        return "broken off"
    return _FROM_MEMORY if answer.status == 200 else kind_of_refusal(answer)


def _is_worker(pid: int) -> bool:
    try:
        return b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
