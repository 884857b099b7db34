"""The scene of one component: a CA, a mirror of its own, a licensed customer; played by the real programs.

    publish         the first version, into a new mirror
    publish-next    the second version
    install         the first version, on an installation that has nothing yet
    update          from the first version to the second
    poll            `spot check` when there is nothing new

Before the mirror serves, and between its steps, nothing else runs; what is only scenery (keys, licence, bundle,
enrolment) is not measured.
"""

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from bench.measure import Cost, ProgramFailed, cpu_seconds, peak_bytes, run

STEPS: Final = ("publish", "publish-next", "install", "update", "poll")

_BIN = Path(sys.executable).parent
_REALM = "build.example.com"
_SETTLE_SECONDS = 0.3  # the mirror's last audit line, and the farewell of a connection, come after the program's end


class Job(NamedTuple):
    """What is published: `component` as PRODUCT/COMPONENT, a platform, and two versions with their sources."""

    component: str
    platform: str
    versions: tuple[str, str]
    sources: tuple[Path, Path]


class Sample(NamedTuple):
    """One step in one round. `requests`, `wire_bytes` (of bodies) and `mirror_cpu` are None where no mirror runs."""

    cost: Cost
    requests: int | None = None
    wire_bytes: int | None = None
    mirror_cpu: float | None = None


class Programs:
    """The real programs in a folder, each run as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPOT_")},
            "SPOT_CA_DIR": str(folder / "ca"),
            "SPOT_CA_PASSPHRASE": secrets.token_urlsafe(16),
            "SPOT_MIRROR_CONFIG": str(folder / "mirror.toml"),
            "SPOT_MIRROR_PASSPHRASE": secrets.token_urlsafe(16),
            "SPOT_ROOT": str(folder / "root"),
        }

    def make(self) -> None:
        """A CA, a mirror that offers nothing yet, and a customer, acme."""
        names = ("--ip", "127.0.0.1", "--out", "certs")
        files = ("--certificate", "certs/mirror.crt", "--key", "certs/mirror.key")
        trust = ("--issuing-ca", "ca/issuing.crt", "--crl", "ca/crl/issuing.crl")
        self.run("spot-ca", "init", "--realm", _REALM)
        self.run("spot-ca", "issue", "server", "mirror", *names)
        listen = ("--listen", "127.0.0.1:0", "--development")
        self.run("spot-mirror", "init", "--realm", _REALM, *listen, *files, *trust)
        self.run("spot-mirror", "customer", "add", "acme")

    def enrol(self, url: str) -> None:
        """An installation of acme, of the mirror at that address."""
        root = ("--catalogue-root", "data/catalogue/1.root.json")
        self.run("spot-ca", "bundle", "acme", "--mirror", f"{url}=certs/mirror.crt", *root, "--out", "acme.bundle")
        self.run("spot", "enrol", "acme.bundle")

    def run(self, *command: str) -> Cost:
        """What a program costs. Raises ProgramFailed."""
        program = [str(_BIN / command[0]), *command[1:]]
        return run(program, folder=self.folder, environment=self.environment, log=self.folder / "log")


class Scene:
    """A mirror in `folder`, and one installation."""

    def __init__(self, folder: Path, job: Job, *, level: int | None = None) -> None:
        """`level`: of zstd; None for the default of `publish`."""
        self._job = job
        self._level = [] if level is None else ["--level", str(level)]
        self._programs = Programs(folder)

    def play(self, tell: Callable[[str], None]) -> tuple[dict[str, Sample], int]:
        """All steps, by name, and the mirror's peak memory in bytes; `tell` hears which step comes next.

        Raises:
            ProgramFailed: one of the programs failed.
        """
        job = self._job
        self._make()
        samples: dict[str, Sample] = {}
        for step, version, source in zip(STEPS, job.versions, job.sources, strict=False):
            tell(step)
            options = ("--platform", job.platform, *self._level)
            samples[step] = Sample(self._run("spot-mirror", "publish", job.component, version, str(source), *options))
        with Mirror(self._programs) as mirror:
            self._programs.enrol(mirror.url)
            commands = (("install", job.component, "--version", job.versions[0]), ("update",), ("check",))
            for step, command in zip(STEPS[2:], commands, strict=True):
                tell(step)
                samples[step] = mirror.watch(partial(self._run, "spot", *command))
            return samples, peak_bytes(mirror.pid)

    def _make(self) -> None:
        self._programs.make()
        product = self._job.component.partition("/")[0]
        self._run("spot-mirror", "licence", "grant", "acme", product, "--installations", "1")

    def _run(self, *command: str) -> Cost:
        return self._programs.run(*command)


class Mirror:
    """The serving mirror of a folder, as a context manager."""

    def __init__(self, programs: Programs) -> None:
        folder = programs.folder
        self._audit = folder / "data" / "audit.jsonl"
        said = folder / "serve.log"
        with said.open("wb") as log:
            command = [str(_BIN / "spot-mirror"), "serve"]
            self._process = subprocess.Popen(
                command,
                cwd=folder,
                env=programs.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self._process.pid
        while not (ready := re.search(r"ready on (https://[^,\s]+),", said.read_text(errors="replace"))):
            if self._process.poll() is not None:
                raise ProgramFailed(f"the mirror did not start:\n{said.read_text(errors='replace')}")
            time.sleep(_SETTLE_SECONDS)
        self.url = ready[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return self._process.poll() is not None

    def watch(self, step: Callable[[], Cost]) -> Sample:
        """Take a step, and say what it cost on both sides."""
        known, used = len(self.audit()), cpu_seconds(self.pid)
        cost = step()
        time.sleep(_SETTLE_SECONDS)
        asked = self.audit()[known:]
        return Sample(cost, len(asked), sum(line["bytes"] for line in asked), cpu_seconds(self.pid) - used)

    def audit(self) -> list[dict[str, Any]]:
        """All lines of the audit log so far."""
        return [json.loads(line) for line in self._audit.read_text().splitlines()]
