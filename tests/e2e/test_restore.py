"""A mirror that was restored: an installation that saw the newer catalogue goes on from it, by the mark alone."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.world import World


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def serving(world: World) -> Iterator[None]:
    process = world.start("spot-mirror", "serve")
    try:
        deadline = time.monotonic() + 30
        while not listens(world.port):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()


def release(world: World, version: str) -> None:
    source = world.folder / "source"
    source.mkdir(exist_ok=True)
    (source / "version").write_text(version)
    world.succeed("spot-mirror", "publish", "sdk/tool", version, "source")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A mirror with 1.0, a backup of that, and then 1.1, which an installation has."""
    world = World(tmp_path)
    world.port = free_port()
    world.succeed("spot-ca", "init", "--realm", "build.example.com", "--key-type", "ecdsa-p256")
    world.succeed("spot-ca", "issue", "server", "mirror", "--ip", "127.0.0.1", "--key-type", "ecdsa-p256")
    files = ("--certificate", "ca/issued/mirror.crt", "--key", "ca/issued/mirror.key")
    trust = ("--issuing-ca", "ca/issuing.crt", "--crl", "ca/crl/issuing.crl", "--listen", f"127.0.0.1:{world.port}")
    world.succeed("spot-mirror", "init", "--development", "--realm", "build.example.com", *files, *trust)
    config = world.folder / "mirror.toml"
    config.write_text(config.read_text().replace("# high_water = ", "high_water = ").replace("/mnt/elsewhere/", ""))
    release(world, "1.0")
    world.succeed("spot-mirror", "customer", "add", "acme")
    world.succeed("spot-mirror", "licence", "grant", "acme", "sdk", "--installations", "5")
    root = ("--catalogue-root", "data/catalogue/1.root.json")
    world.succeed("spot-ca", "bundle", "acme", "--mirror", f"{world.url}=ca/issued/mirror.crt", *root, "--out", "it")
    with serving(world):
        world.succeed("spot", "--root", "acme", "enrol", "it")
        world.succeed("spot-mirror", "backup", "bak")
        release(world, "1.1")
        time.sleep(2)  # the mirror looks for a new catalogue every second
        world.succeed("spot", "--root", "acme", "install", "sdk/tool")
    return world


def version(world: World, root: str = "acme") -> str:
    return (world.folder / root / "sdk/tool/current/version").read_text()


@pytest.mark.slow
def test_an_installation_that_saw_the_newer_catalogue_updates_from_the_restored_mirror(world: World) -> None:
    (world.folder / "data").rename(world.folder / "lost")
    world.succeed("spot-mirror", "restore", "bak")
    world.succeed("spot-mirror", "approve")
    with serving(world):
        world.succeed("spot", "--root", "acme", "check")
        assert version(world) == "1.1"
        release(world, "1.2")
        time.sleep(2)  # the mirror looks for a new catalogue every second
        world.succeed("spot", "--root", "acme", "update")
    assert version(world) == "1.2"


@pytest.mark.slow
def test_an_installation_that_was_enrolled_since_the_backup_enrols_again_and_keeps_what_it_has(world: World) -> None:
    with serving(world):
        world.succeed("spot", "--root", "later", "enrol", "it")
        world.succeed("spot", "--root", "later", "install", "sdk/tool")
    (world.folder / "data").rename(world.folder / "lost")
    world.succeed("spot-mirror", "restore", "bak")
    world.succeed("spot-mirror", "approve")
    release(world, "1.2")
    with serving(world):
        refused = world.run("spot", "--root", "later", "update")
        assert refused.code == 12, refused
        assert "enrol" in refused.err
        assert version(world, "later") == "1.1"
        world.succeed("spot", "--root", "later", "enrol", "it")
        world.succeed("spot", "--root", "later", "update")
        assert "sdk/tool=1.2" in world.succeed("spot-mirror", "thin-snapshots", "list")
    assert version(world, "later") == "1.2"


@pytest.mark.slow
def test_without_the_mark_it_refuses_the_older_catalogue_and_keeps_what_it_has(world: World) -> None:
    (world.folder / "data").rename(world.folder / "lost")
    world.succeed("spot-mirror", "restore", "bak", "--without-high-water")
    with serving(world):
        done = world.run("spot", "--root", "acme", "update")
    assert done.code == 3, done
    assert version(world) == "1.1"
