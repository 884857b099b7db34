"""mirror.control.notify: systemd is told where it asks to be, and what it cannot be told harms nobody."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.control.notify import Notify


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as the environment has it, and the socket there."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@spot-mirror-{tmp_path}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listening.settimeout(5)
        yield address, listening


def test_it_is_told_what_happens(systemd: tuple[str, socket.socket]) -> None:
    address, listening = systemd
    notify = Notify({"NOTIFY_SOCKET": address}, 17)
    assert notify.alive_seconds is None
    notify.reloading()
    first, second = listening.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")
    assert second.partition("=")[2].isdigit()
    notify.ready("2 workers")
    assert listening.recv(4096) == b"READY=1\nSTATUS=2 workers"
    notify.alive()
    assert listening.recv(4096) == b"WATCHDOG=1"
    notify.stopping()
    assert listening.recv(4096) == b"STOPPING=1"


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "17"}, 15),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_if_it_is_ours(environment: dict[str, str], seconds: float) -> None:
    assert Notify({"NOTIFY_SOCKET": "/run/x", **environment}, 17).alive_seconds == seconds
    assert Notify(environment, 17).alive_seconds is None


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/at/all", "@nobody-listens-there", "/" + "x" * 300])
def test_nobody_there_is_no_trouble(address: str) -> None:
    Notify({"NOTIFY_SOCKET": address}, 17).ready("")
    Notify({}, 17).stopping()
