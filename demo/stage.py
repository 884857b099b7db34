"""The demo's stage: its folder, the programs run in it, and the table of what was expected and what happened."""

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

_BIN = Path(sys.executable).parent
_READY_SECONDS = 30


class Done(NamedTuple):
    """A program that has ended."""

    code: int
    output: str

    def told(self, word: str, short: str) -> str:
        """An end with a reason, for the table: `short`, if `word` was said."""
        return f"exit {self.code}: {short if word in self.output else self.output.strip()[-80:]}"


class Stage:
    """Runs the real programs in `folder`, shows what they say, and keeps the table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: list[tuple[str, str, str]] = []
        self._servers: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPOT_")},
            "SPOT_CA_DIR": str(folder / "ca"),
            "SPOT_MIRROR_CONFIG": str(folder / "mirror.toml"),
            "NO_COLOR": "1",
        }

    def title(self, text: str) -> None:
        """Begin a chapter."""
        print(f"\n== {text}", flush=True)

    def run(self, *command: str, show: bool = True, fails: bool = False) -> Done:
        """Run one of our programs. `fails`: a non-zero end is part of the play; otherwise it ends the demo."""
        if show:
            print(f"$ {shlex.join(command).replace(f'{self.folder}/', '')}", flush=True)
        program = [str(_BIN / command[0]), *command[1:]]
        done = subprocess.run(
            program,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        output = done.stdout.decode(errors="replace").replace(f"{self.folder}/", "")
        if show:
            print("".join(f"  {line}\n" for line in output.splitlines()), end="", flush=True)
        if done.returncode and not fails:
            if not show:
                print(output)
            self.stop()
            sys.exit(f"demo: '{shlex.join(command)}' ended with {done.returncode}, which is not part of the play.")
        return Done(done.returncode, output)

    def serve(self, config: str, port: int) -> int:
        """Start a mirror and wait until it takes connections; returns its process id."""
        log = self.folder / f"{config}.log"

        def takes_connections() -> bool:
            with socket.socket() as probe:
                probe.settimeout(1)
                return probe.connect_ex(("127.0.0.1", port)) == 0

        return self._start(["serve", "--config", config], log, takes_connections)

    def timer(self, config: str, passphrase: str) -> int:
        """Start the catalogue's timer and wait until it has opened its keys; returns its process id."""
        log = self.folder / "timer.log"
        command = ["catalogue-timer", "--config", config, "--passphrase-file", passphrase]
        return self._start(command, log, lambda: " ready: " in log.read_text())

    def until_visible(self) -> None:
        """Wait until the timer has made visible what was signed, and the mirror has seen it."""
        deadline = time.monotonic() + _READY_SECONDS
        while self.run("spot-mirror", "staged", "--json", show=False).output.strip() != "[]":
            if time.monotonic() > deadline:
                self.stop()
                sys.exit(f"demo: the timer did not do its work: {(self.folder / 'timer.log').read_text()[-2000:]}")
            time.sleep(0.5)
        time.sleep(2)  # the mirror looks for a new catalogue every second

    def _start(self, command: Sequence[str], log: Path, is_ready: Callable[[], bool]) -> int:
        with log.open("wb") as output:
            started = subprocess.Popen(
                [str(_BIN / "spot-mirror"), *command],
                cwd=self.folder,
                env={**self._environment, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._servers.append(started)
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and started.poll() is None:
            if is_ready():
                return started.pid
            time.sleep(0.05)
        self.stop()
        sys.exit(f"demo: {command[0]} did not start: {log.read_text()[-2000:]}")

    def expect(self, what: str, expected: str, happened: str) -> None:
        """A line of the table. `expected`: a regular expression for the whole of `happened`."""
        self._rows.append((what, expected, happened))
        verdict = "as expected" if re.fullmatch(expected, happened) else "NOT AS EXPECTED"
        print(f"-> {what}: {happened} ({verdict})", flush=True)

    def table(self) -> int:
        """Print the table; returns how many lines differ."""
        self.title("What was expected, and what happened")
        widths = [max(len(row[column].replace("\\", "")) for row in self._rows) for column in range(2)]
        wrong = 0
        for what, expected, happened in self._rows:
            ok = re.fullmatch(expected, happened) is not None
            wrong += not ok
            shown = expected.replace("\\", "")
            print(f"{'ok  ' if ok else 'FAIL'} {what:{widths[0]}}  {shown:{widths[1]}}  {happened}")
        print(f"\n{len(self._rows) - wrong} passed, {wrong} failed", flush=True)
        return wrong

    def running(self) -> list[int]:
        """Process ids of what was started and runs."""
        return [server.pid for server in self._servers if server.poll() is None]

    def stop(self, *, keep: Sequence[int] = ()) -> None:
        """Stop what was started, but for the process ids that are to be kept."""
        for server in self._servers:
            if server.pid not in keep and server.poll() is None:
                server.terminate()
                server.wait(timeout=60)


def first(pattern: str, text: str) -> str:
    """What the group of a regular expression finds first, its white space made single; `?` for nothing."""
    found = re.search(pattern, text)
    return re.sub(r"\s+", " ", found[1]) if found else "?"
