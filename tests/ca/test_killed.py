"""spot-ca as real processes: side by side, and killed at every step. The next run finishes, and nothing is lost."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.ca.house import REALM
from tests.ca.spot_ca import ENV, Spot, certificate, issue_client


def start(*arguments: str | Path, killed_at: int | None = None, folder: Path | None = None) -> subprocess.Popen[str]:
    """A real process: spot-ca itself, or one that is killed before a step."""
    program = ["-c", "from ca.cli import main; main()"]
    if killed_at is not None:
        program = [str(Path(__file__).with_name("killed.py")), str(folder), str(killed_at)]
    command = [sys.executable, *program, *map(str, arguments)]
    # A killed process would leave a torn coverage file behind.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.Popen(
        command,
        env={**environment, **ENV},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.slow
def test_several_at_once_wait_for_one_another(spot: Spot) -> None:
    names = [f"customer-{number}" for number in range(3)]
    command = ["--dir", str(spot.folder), "issue", "client", "--key-type", "ecdsa-p256"]
    results = [finish(process) for process in [start(*command, name) for name in names]]
    assert [code for code, _, _ in results] == [0, 0, 0], results
    assert {line.split()[2] for line in spot("list").splitlines()[1:]} == set(names)


@pytest.mark.slow
def test_a_reader_that_leaves_is_no_failure(spot: Spot) -> None:
    process = start("--dir", spot.folder, "list", "--all")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)


@pytest.mark.slow
def test_init_killed_at_any_step_leaves_a_whole_ca_or_none(tmp_path: Path) -> None:
    """At any step on files; every fourth one is enough to cross each of its phases."""
    for step in itertools.count(1, 4):
        folder = tmp_path / str(step) / "ca"
        folder.parent.mkdir()
        command = ["--dir", str(folder), "init", "--realm", REALM, "--key-type", "ecdsa-p256"]
        code, _, err = finish(start(*command, killed_at=step, folder=folder.parent))
        spot = Spot(folder)
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        if folder.exists():
            assert spot.refused(5, *command[2:])
        else:
            spot(*command[2:])
        assert {path.name for path in folder.parent.iterdir()} <= {"ca", ".ca.lock"}
        assert "issuing" in spot("list", "--all")
        assert spot.revoked() == frozenset()
    assert step > 20


@pytest.mark.slow
def test_issue_killed_at_any_step_is_finished_by_the_next_run(made: Path, tmp_path: Path) -> None:
    for step in itertools.count(1):
        spot = Spot(shutil.copytree(made, tmp_path / str(step)))
        arguments = ["issue", "client", "acme", "--key-type", "ecdsa-p256"]
        code, _, err = finish(start("--dir", spot.folder, *arguments, killed_at=step, folder=spot.folder))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        if not (spot.folder / "issued/acme.crt").exists():
            spot(*arguments)
        assert {path.name for path in (spot.folder / "issued").iterdir()} == {"acme.crt", "acme.key"}
        key = load_pem_private_key((spot.folder / "issued/acme.key").read_bytes(), None)
        handed_out = certificate(spot.folder / "issued/acme.crt")
        assert key.public_key() == handed_out.public_key()
        rows = [line.split()[0] for line in spot("list").splitlines()[1:]]
        assert rows == [f"{handed_out.serial_number:x}"]
    assert step > 8


@pytest.mark.slow
def test_revoke_killed_at_any_step_is_finished_by_the_next_run(spot: Spot, tmp_path: Path) -> None:
    serial = certificate(issue_client(spot)).serial_number
    for step in itertools.count(1):
        copy = Spot(shutil.copytree(spot.folder, tmp_path / str(step)))
        code, _, err = finish(start("--dir", copy.folder, "revoke", "acme", killed_at=step, folder=copy.folder))
        assert copy.revoked() <= {serial}  # the CRL is a whole one at any moment
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        copy("revoke", "acme")
        assert copy.revoked() == {serial}
    assert step > 5
