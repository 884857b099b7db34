"""A clock that is wrong by days: SPOT says so, with both clocks, and changes nothing."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.profiles import SERVER
from ca.subjects import Hosts
from spot_client.config import Paths
from spot_client.state import Store
from tests.e2e.world import OLD, TOOL, Done, World, leftovers, sentence
from tests.hostile.mint import Mint
from tests.hostile.proxy import Proxy

DAYS = timedelta(days=1)
_PROGRAM = """\
import sys, time_machine
from datetime import datetime
from spot_client import compose, enrol, report
from spot_client.cli import main
with time_machine.travel(datetime.fromisoformat(sys.argv.pop(1))):
    main()
"""


def spot_at(moment: datetime, root: Path, *command: str) -> Done:
    """SPOT in a process of its own, in which it is another time."""
    program = [sys.executable, "-c", _PROGRAM, moment.isoformat(), "--root", str(root), *command]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def check_nothing_changed(world: World, root: Path) -> None:
    assert world.in_use(root) == OLD
    state = Store(Paths(root)).state()
    assert state.components[TOOL].current.version == OLD
    assert leftovers(root) == []


@pytest.mark.parametrize("days", [8, 400])
def test_a_clock_that_is_ahead_is_named_beside_the_mirrors(world: World, tmp_path: Path, days: int) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    wrong = datetime.now(UTC) + days * DAYS
    done = spot_at(wrong, root, "update")
    told = sentence(done.err)
    assert done.code == 11, told
    there, here = re.findall(r"\d{4}-\d{2}-\d{2}", told)[::-1]
    assert (here, there) == (f"{wrong:%Y-%m-%d}", f"{datetime.now(UTC):%Y-%m-%d}")
    assert "Set the clock" in told
    check_nothing_changed(world, root)


def test_a_clock_that_is_right_updates(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme-old", tmp_path / "root")
    done = spot_at(datetime.now(UTC), root, "update")
    assert (done.code, done.err) == (0, "")


def test_a_clock_that_was_set_back_is_named_beside_the_last_verified_time(world: World, tmp_path: Path) -> None:
    """Else whoever sets it back could show SPOT, for ever, what was signed at that time."""
    root = world.fresh("acme-old", tmp_path / "root")
    right = datetime.now(UTC)
    assert spot_at(right, root, "check").code == 0
    before = (root / ".spot/clock.json").read_bytes()
    for command in (["update"], ["check"], ["install", TOOL], ["list", "--available"]):
        done = spot_at(right - 2 * DAYS, root, *command)
        told = sentence(done.err)
        assert done.code == 11, told
        there, here = re.findall(r"\d{4}-\d{2}-\d{2}", told)[::-1]
        assert (here, there) == (f"{right - 2 * DAYS:%Y-%m-%d}", f"{right:%Y-%m-%d}")
        assert "--reset-clock" in told
    for command in (["verify"], ["status"]):
        assert spot_at(right - 2 * DAYS, root, *command).code == 0
    refused = spot_at(right - 2 * DAYS, root, "update", "--reset-clock")
    assert refused.code == 11
    assert "the last verified time stays" in sentence(refused.err)
    assert (root / ".spot/clock.json").read_bytes() == before
    check_nothing_changed(world, root)
    assert spot_at(datetime.now(UTC), root, "update", "--reset-clock").code == 0


def test_a_rollback_needs_no_clock(world: World, tmp_path: Path) -> None:
    root = world.fresh("acme-new", tmp_path / "root")
    done = spot_at(datetime.now(UTC) + 400 * DAYS, root, "rollback", TOOL)
    assert done.code == 0, done.err
    assert world.in_use(root) == OLD


@pytest.mark.parametrize(
    ("ago", "told"), [(-10 * DAYS, "not valid yet: this machine's clock is behind"), (800 * DAYS, "has expired")]
)
def test_a_pinned_certificate_out_of_its_dates_is_about_the_clock(
    world: World, tmp_path: Path, ago: timedelta, told: str
) -> None:
    """OpenSSL reads the machine's own clock: so here it is the certificate that is wrong by days."""
    root = world.fresh("acme-old", tmp_path / "root")
    files = Mint(world, tmp_path)(Hosts("mirror1", addresses=("127.0.0.1",)), SERVER, ago=ago)
    store = Store(Paths(root))
    identity = store.enrolled()
    with Proxy(world, files.certificate, files.key) as proxy:
        identity_file = root / ".spot/identity.json"
        old_pin = identity.mirrors[0].pins[0].replace("\n", "\\n")
        new_pin = files.certificate.read_text().replace("\n", "\\n")
        identity_file.write_text(identity_file.read_text().replace(old_pin, new_pin))
        code, sentence = world.refused(proxy.mislead(root), "update")
    assert code == 11, sentence
    assert told in sentence
    check_nothing_changed(world, root)
