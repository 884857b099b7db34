"""The three servers with the same certificates and bytes, and what one case with one of them costs."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from bench import processes
from bench.measure import ProgramFailed
from bench.rivals import Rival, find
from bench.scene import Mirror
from bench.stage import LARGE, LIMITS, SMALL, Stage

_SETTLE_SECONDS = 0.4  # what a server does after an answer, such as writing logs, belongs to its cost
_CONNECTIONS = {"small": 32, "handshake": 16, "bulk": 4}
_HERE = Path(__file__).parents[1]


class Sizes(NamedTuple):
    """How much is done: `seconds` of small answers and of handshakes, bytes of the large file, idle connections."""

    seconds: float
    large_bytes: int
    reads: int
    idle: int
    tls: str = "1.3"


class Server(NamedTuple):
    """A running one."""

    system: str
    pid: int
    port: int


class Sample(NamedTuple):
    """One case with one system in one round. `work` is answers, or GB in bulk."""

    work: float
    cpu_seconds: float
    seconds: float
    p99_ms: float | None
    rss_bytes: int
    rss_kib_per_connection: float | None = None
    pss_kib_per_connection: float | None = None


class Theatre:
    """A stage with the files as the rivals serve them."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        """Make it.

        Raises:
            ProgramFailed: something needed is missing or failed.
        """
        for program in ("nginx", "apache2"):
            find(program)
        self._sizes = sizes
        self._folder = folder
        folder.chmod(0o755)  # Apache reads as another user
        (folder / "mirror").mkdir(mode=0o700)
        self._stage = Stage(folder / "mirror")
        self._stage.make(sizes.large_bytes)
        self._stage.configure(workers=1, limits=LIMITS)
        self._count = 0
        self._www = folder / "www"
        with Mirror(self._stage.programs) as mirror, self._stage.caller(mirror.url) as caller:
            for path in (SMALL, LARGE):
                answer = caller.ask("GET", path)
                if answer.status != 200:
                    raise ProgramFailed(f"the mirror answers {path} with {answer.status}: {answer.body[:500]!r}")
                file = self._www / path[1:]
                file.parent.mkdir(parents=True)
                file.write_bytes(answer.body)

    def start(self, system: str, ends: ExitStack) -> Server:
        """Start one of the systems; `ends` ends it."""
        if system == "spot-mirror":
            mirror = ends.enter_context(Mirror(self._stage.programs))
            return Server(system, mirror.pid, urlsplit(mirror.url).port or 443)
        self._count += 1
        stage = self._stage
        certs = stage.folder / "certs"
        rival = Rival(
            system,
            self._folder / f"{system}-{self._count}",
            self._www,
            certificate=certs / "mirror.crt",
            key=certs / "mirror.key",
            issuing_ca=stage.issuing_ca,
        )
        ends.enter_context(rival)
        return Server(system, rival.pid, rival.port)

    def measure(self, case: str, server: Server) -> tuple[Sample, str]:
        """One case in one round, and the cipher that it went with.

        Raises:
            ProgramFailed: an answer was not what it should be, or the server lost a process.
        """
        sizes = self._sizes
        reads = ["--requests", f"{sizes.reads}", "--seconds", "120"]
        bounds = ["--tls", sizes.tls, "--connections", f"{_CONNECTIONS[case]}"]
        bounds += reads if case == "bulk" else ["--seconds", f"{sizes.seconds}"]
        with Generator(self._stage, self._www, server, case, *bounds) as load:
            before = processes.cpu(server.pid)
            found = load.go()
            time.sleep(_SETTLE_SECONDS)
            used = processes.cpu_since(server.pid, before)
        work = found["bytes"] / 1e9 if case == "bulk" else found["answers"]
        rss = processes.memory(server.pid).resident
        return Sample(work, used, found["seconds"], found["p99_ms"], rss), found["cipher"]

    def measure_idle(self, server: Server) -> tuple[Sample, str]:
        """What connections cost that do nothing; `server` has to be a new one."""
        number = self._sizes.idle
        with Generator(self._stage, self._www, server, "idle", "--connections", str(min(64, number))) as load:
            load.go()
        time.sleep(_SETTLE_SECONDS)
        before = processes.memory(server.pid)
        with Generator(self._stage, self._www, server, "idle", "--connections", str(number)) as load:
            time.sleep(_SETTLE_SECONDS)
            after = processes.memory(server.pid)
            found = load.go()
        each = [(now - then) / number / 1024 for now, then in zip(after, before, strict=True)]
        return Sample(number, 0.0, 0.0, None, after.resident, each[0], each[1]), found["cipher"]


class Generator:
    """A load generator with its connections open, as a context manager."""

    def __init__(self, stage: Stage, www: Path, server: Server, case: str, *options: str) -> None:
        """Start it, and wait until its connections are open."""
        path, body = (LARGE, "--length") if case == "bulk" else (SMALL, "--content")
        file = www / path[1:]
        value = str(file.stat().st_size) if case == "bulk" else str(file)
        trust = ("--certificate", stage.certificate, "--key", stage.key, "--pin", stage.pin)
        place = ("--port", server.port, "--path", path, body, value)
        command = [sys.executable, "-m", "bench.load", case, *map(str, (*trust, *place)), *options, "--gated"]
        self._what = f"{case} of {server.system}"
        self._process = subprocess.Popen(
            command, cwd=_HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        if self._process.stdout is None or not self._process.stdout.readline():
            raise ProgramFailed(f"the load generator did not start ({self._what}):\n{self._process.communicate()[1]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def go(self) -> dict[str, Any]:
        """Let it run to its end, and say what it found.

        Raises:
            ProgramFailed: not every answer was right.
        """
        out, err = self._process.communicate("go\n")
        found: dict[str, Any] = json.loads(out or "{}")
        if self._process.returncode or found["errors"]:
            raise ProgramFailed(f"answers that do not count ({self._what}): {found.get('errors')}\n{err}")
        return found
