"""A world of the real programs: a CA, a mirror that serves, two products, customers, and installation roots.

acme is licensed for sdk, globex for sdk and science, hooli for nothing, and initech is there to be revoked.
"""

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records
from spot_client.config import Paths
from spot_client.state import Store

BIN: Final = Path(sys.executable).parent
REALM: Final = "build.example.com"
TOOL: Final = "sdk/tool"
OLD, NEW = "1.0", "1.1"
MATHS: Final = "science/maths"
BIG: Final = 17 * 2**20
"""Bytes of the file of science/maths that lies in two blocks."""

Tree = Mapping[str, tuple[str, int, bytes]]
"""Kind, mode and content (of a link: where it leads) by path."""


class Done(NamedTuple):
    """A program that has ended."""

    code: int
    out: str
    err: str


class World:
    """The world in `folder`, once `make_world` has made it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.trees: dict[tuple[str, str], Tree] = {}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SPOT_")},
            "SPOT_CA_DIR": str(folder / "ca"),
            "SPOT_CA_PASSPHRASE": "ca passphrase of the test",
            "SPOT_MIRROR_CONFIG": str(folder / "mirror.toml"),
            "SPOT_MIRROR_PASSPHRASE": "mirror passphrase of the test",
            "NO_COLOR": "1",
        }

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def operator_url(self) -> str:
        """That of the mirror's operator listener, which `spot-ca` calls."""
        said = [json.loads(line) for line in (self.folder / "serve.log").read_text().splitlines() if line[:1] == "{"]
        address: str = next(line["address"] for line in said if line["event"] == "operators")
        return f"https://{address}"

    @property
    def operating(self) -> tuple[str, ...]:
        """The options of `spot-ca` that name the mirror, and the certificate to call it with."""
        files = ("--certificate", "certs/host.ca-operator.crt", "--key", "certs/host.ca-operator.key")
        return ("--mirror", self.operator_url, *files, "--pin", "certs/mirror1.crt")

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start one of our programs."""
        return subprocess.Popen(
            [str(BIN / command[0]), *map(str, command[1:])],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *command: str | Path) -> Done:
        """Run one of our programs to its end."""
        process = self.start(*command)
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def succeed(self, *command: str | Path) -> str:
        """Run one of our programs, which must succeed; its standard output."""
        done = self.run(*command)
        assert done.code == 0, (command, done)
        return done.out

    def spot(self, root: Path, *command: str) -> str:
        """Run SPOT on an installation root, successfully."""
        return self.succeed("spot", "--root", root, *command)

    def refused(self, root: Path, *command: str) -> tuple[int, str]:
        """Run SPOT, which must fail as every failure should: its exit code, and one or two lines for a person."""
        done = self.run("spot", "--root", root, *command)
        return done.code, sentence(done.err)

    def until(self, holds: Callable[[], bool], seconds: float = 10) -> None:
        """Ask again and again until something holds that the mirror does within a second or so."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, (self.folder / "serve.log").read_text()
            time.sleep(0.05)

    def publish(self, component: str, version: str, source: Path) -> None:
        self.succeed("spot-mirror", "publish", component, version, source, "--level", "1")
        self.trees[component, version] = read_tree(source)

    def fresh(self, template: str, into: Path) -> Path:
        """A root of its own, copied from `acme`, `globex` (enrolled), `acme-old` or `acme-new` (with TOOL)."""
        return shutil.copytree(self.folder / "roots" / template, into, symlinks=True)

    def records(self) -> closing[Records]:
        return closing(open_records(self.folder / "data" / FILE_NAME))

    def installation(self, root: Path) -> str:
        return Store(Paths(root)).enrolled().installation

    def reported(self, root: Path) -> dict[str, str] | None:
        """The versions of the newest thin snapshot that the mirror has of this installation."""
        with self.records() as records:
            lines = records.thin_snapshots(self.installation(root), 1)
        return lines[0].components if lines else None

    def forget_reports(self, root: Path) -> None:
        """Make the mirror believe that nothing is installed, so that a report that comes is seen to have come."""
        with self.records() as records:
            records.put_thin_snapshot(self.installation(root), {}, datetime.now(UTC))

    def in_use(self, root: Path, component: str = TOOL) -> str | None:
        """The version that the pointer leads to, held entry by entry to what was published; None without a pointer."""
        current = root / component / "current"
        if not current.is_symlink():
            return None
        found = read_tree(current.resolve(strict=True))
        versions = [version for (name, version), tree in self.trees.items() if name == component and tree == found]
        assert versions, f"{current} leads to a tree that nobody published: {sorted(found)}"
        return versions[0]

    def check_settled(self, root: Path, version: str, component: str = TOOL) -> None:
        """Pointer, state, folders and the mirror's knowledge agree, and nothing of a former run lies about."""
        state = Store(Paths(root)).state()
        entry = state.components[component]
        assert (self.in_use(root, component), entry.current.version) == (version, version)
        assert (root / component / "current").readlink() == Path("versions") / entry.current.folder
        folders = {release.folder for release in (entry.current, *entry.kept)}
        assert {path.name for path in (root / component / "versions").iterdir()} == folders
        assert not state.owed
        assert self.reported(root) == state.versions
        assert {path.name for path in (root / component).iterdir()} == {"current", "versions"}
        assert not (root / ".spot/journal.json").exists()
        assert leftovers(root) == []


def leftovers(root: Path) -> list[str]:
    """Temporary files below a root: ours, those of python-tuf, and contents that did not come in whole."""
    names = [str(path.relative_to(root)) for path in (root / ".spot").rglob("*")]
    return [name for name in names if re.search(r"\.part$|/tmp[^./]{8}$|/\.in\.", name)]


def sentence(err: str) -> str:
    """Standard error of a failure: one line, or two, for a person, and never a traceback."""
    assert "Traceback" not in err, err
    lines = err.strip().splitlines()
    assert 1 <= len(lines) <= 2, err
    return err.strip()


def read_tree(folder: Path) -> Tree:
    """Everything in a folder, by path."""
    return dict(_entries(folder))


def _entries(folder: Path) -> Iterator[tuple[str, tuple[str, int, bytes]]]:
    for path in sorted(folder.rglob("*")):
        name, status = str(path.relative_to(folder)), path.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield name, ("link", 0, os.fsencode(path.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            yield name, ("folder", stat.S_IMODE(status.st_mode), b"")
        else:
            yield name, ("file", stat.S_IMODE(status.st_mode), path.read_bytes())


def write_tool(folder: Path, version: str) -> Path:
    """The source of TOOL: some files change with the version, some do not, one comes and one goes."""
    (folder / "lib/data").mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "VERSION").write_text(version)
    (folder / "bin/tool").write_text(f"#!/bin/sh\necho {version}\n")
    (folder / "bin/tool").chmod(0o755)
    (folder / "lib/__init__.py").touch()
    (folder / "lib/core.py").write_text(f"VERSION = '{version}'\n" + "# core\n" * 500)
    (folder / "lib/latest.py").symlink_to("core.py")
    (folder / f"lib/only-{version}.txt").write_text(f"only in {version}\n")
    for number in range(3):
        (folder / f"lib/data/{number}.txt").write_text(f"the same in all versions, {number}\n" * 50)
    return folder


def make_world(folder: Path) -> World:
    """Make everything but the running mirror."""
    world = World(folder)
    ca = ("spot-ca", "init", "--realm", REALM, "--key-type", "ecdsa-p256")
    world.succeed(*ca)
    names = ("--ip", "127.0.0.1", "--dns", "localhost", "--key-type", "ecdsa-p256", "--out", folder / "certs")
    world.succeed("spot-ca", "issue", "server", "mirror1", *names)
    world.succeed("spot-ca", "issue", "ca-operator", "host", "--key-type", "ecdsa-p256", "--out", folder / "certs")
    files = ("--certificate", "certs/mirror1.crt", "--key", "certs/mirror1.key")
    trust = ("--issuing-ca", "ca/issuing.crt", "--crl", "ca/crl/issuing.crl")
    world.succeed("spot-mirror", "init", "--development", "--realm", REALM, "--listen", "127.0.0.1:0", *files, *trust)
    config = folder / "mirror.toml"
    text = config.read_text().replace("[content]\n", "[content]\nworkers = 1\n", 1)
    text += "\n[content.limits]\nthin_snapshot_seconds = 0\n"  # an installation changes often here
    config.write_text(f'{text}\n[operator]\nlisten = "127.0.0.1:0"\n')
    for version in (OLD, NEW):
        world.publish(TOOL, version, write_tool(folder / f"tool-{version}", version))
    maths = folder / "maths"
    maths.mkdir()
    (maths / "table.bin").write_bytes(b"".join(number.to_bytes(8) for number in range(BIG // 8)))
    world.publish(MATHS, "2.0", maths)
    world.succeed("spot-mirror", "customer", "add", "acme", "globex", "hooli", "initech")
    for customer, product in (("acme", "sdk"), ("globex", "sdk"), ("globex", "science"), ("initech", "sdk")):
        world.succeed("spot-mirror", "licence", "grant", customer, product, "--installations", "9")
    return world


def serve(world: World) -> subprocess.Popen[bytes]:
    """Start the mirror; returns once it is ready."""
    log = world.folder / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(BIN / "spot-mirror"), "serve"],
            cwd=world.folder,
            env=world.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
        )
    assert process.stdout is not None
    ready = process.stdout.readline().decode()
    assert "ready on https://127.0.0.1:" in ready, log.read_text()
    world.port = int(ready.split("https://127.0.0.1:")[1].split(",")[0])
    return process


def make_roots(world: World) -> None:
    """Bundles, and the roots that `World.fresh` copies."""
    for customer in ("acme", "globex", "hooli", "initech"):
        pin = f"{world.url}=certs/mirror1.crt"
        root = ("--catalogue-root", "data/catalogue/1.root.json", "--key-type", "ecdsa-p256")
        world.succeed("spot-ca", "bundle", customer, "--mirror", pin, *root, "--out", f"{customer}.bundle")
    roots = world.folder / "roots"
    roots.mkdir()
    for customer in ("acme", "globex"):
        world.spot(roots / customer, "enrol", f"{customer}.bundle")
    world.spot(world.fresh("acme", roots / "acme-old"), "install", TOOL, "--version", OLD)
    world.spot(world.fresh("acme-old", roots / "acme-new"), "update")


_THE_WORLD: Final = pytest.StashKey[World]()


def the_world(config: pytest.Config, base: Path) -> World:
    """The one running world of this process, made when first asked for: several folders of tests live in it."""
    if _THE_WORLD not in config.stash:
        base.mkdir()
        world = make_world(base)
        mirror = serve(world)
        config.add_cleanup(lambda: stop(mirror))
        make_roots(world)
        config.stash[_THE_WORLD] = world
    return config.stash[_THE_WORLD]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Two signals: the first drains, the second does not wait for idle connections."""
    for number in (signal.SIGTERM, signal.SIGTERM):
        process.send_signal(number)
    process.communicate(timeout=30)
