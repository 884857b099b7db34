"""The drill: the CA's host is lost. From its backup and the list that the mirror has, all goes on."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.world import REALM, World, serve
from tests.hostile.asking import ask, trusting_nobody

BEFORE, AFTER = ("acme", "globex"), ("hooli", "initech")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A CA, and a mirror on another host: it gets the list by being given a copy."""
    world = World(tmp_path)
    world.succeed("spot-ca", "init", "--realm", REALM, "--key-type", "ecdsa-p256")
    names = ("--ip", "127.0.0.1", "--key-type", "ecdsa-p256", "--out", tmp_path / "certs")
    world.succeed("spot-ca", "issue", "server", "mirror1", *names)
    bring(world)
    files = ("--certificate", "certs/mirror1.crt", "--key", "certs/mirror1.key")
    shutil.copy(tmp_path / "ca/issuing.crt", tmp_path / "issuing.crt")
    trust = ("--issuing-ca", "issuing.crt", "--crl", "mirror.crl")
    world.succeed("spot-mirror", "init", "--development", "--realm", REALM, "--listen", "127.0.0.1:0", *files, *trust)
    world.succeed("spot-mirror", "customer", "add", *BEFORE, *AFTER, "late")
    process = serve(world)
    yield world
    process.terminate()
    process.communicate(timeout=60)


def bring(world: World) -> None:
    """Bring the list to the mirror."""
    shutil.copy(world.folder / "ca/crl/issuing.crl", world.folder / "mirror.crl.new")
    (world.folder / "mirror.crl.new").rename(world.folder / "mirror.crl")


def issue(world: World, *customers: str) -> None:
    """Issue for customers, who take key and certificate home."""
    for customer in customers:
        out = ("--out", world.folder / "home", "--key-type", "ecdsa-p256")
        world.succeed("spot-ca", "issue", "client", customer, *out)


def answer(world: World, customer: str) -> str:
    home = world.folder / "home"
    reply = ask(world.port, trusting_nobody(home / f"{customer}.crt", home / f"{customer}.key"), "/licences")
    return "served" if reply.status == 200 else reply.reason


def answers(world: World, *customers: str) -> dict[str, str]:
    return {customer: answer(world, customer) for customer in customers}


def number(world: World) -> int:
    found: int = json.loads(world.succeed("spot-ca", "show", "mirror.crl", "--json"))["crl"]["number"]
    return found


@pytest.mark.slow
def test_a_lost_ca_host_is_restored_and_nobody_comes_back_who_was_revoked(world: World) -> None:
    issue(world, *BEFORE)
    world.succeed("spot-ca", "revoke", "acme")
    world.succeed("spot-ca", "backup", "ca.backup")
    issue(world, *AFTER)
    home = world.folder / "home"
    serial = json.loads(world.succeed("spot-ca", "show", home / "hooli.crt", "--json"))["certificates"][0]["serial"]
    world.succeed("spot-ca", "revoke", "initech", "--reason", "key-compromise")
    bring(world)
    out_of_four = {"acme": "revoked", "globex": "served", "hooli": "served", "initech": "revoked"}
    world.until(lambda: answers(world, *BEFORE, *AFTER) == out_of_four)
    last = number(world)

    shutil.rmtree(world.folder / "ca")
    world.succeed("spot-ca", "restore", "ca.backup", "--crl", "mirror.crl")

    world.succeed("spot-ca", "crl")
    bring(world)
    assert number(world) > last
    issue(world, "late")
    world.until(lambda: answer(world, "late") == "served")
    assert answers(world, *BEFORE, *AFTER) == out_of_four

    world.succeed("spot-ca", "revoke", "globex")
    world.succeed("spot-ca", "revoke", serial, "--unknown")
    bring(world)
    world.until(lambda: answers(world, "globex", "hooli") == {"globex": "revoked", "hooli": "revoked"})
    assert answers(world, "acme", "initech", "late") == {"acme": "revoked", "initech": "revoked", "late": "served"}
