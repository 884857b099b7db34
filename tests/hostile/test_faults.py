"""What breaks under a running mirror: it refuses by name, serves nothing wrong, loses nothing, and mends by itself.

A full disk and one that turns read-only are in `test_mirror_disk`, a store that somebody locks in
`tests/mirror/content/test_store_live.py`, a client's wrong clock in `test_clock`.
"""

import contextlib
import http.client
import os
import random
import re
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lmdb
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror.memory.layout import TABLES
from tests.ca.house import make_house
from tests.mirror.content.rig import Caller, Mirror, Published

RELEASE = "/releases/sdk/botocore/1.40.0/any"
DAY = timedelta(days=1)
NOTHING = b'{"components":{},"format":1,"min_spot":"0.1"}'
ONE = b'{"components":{"sdk/botocore":"1.40.0"},"format":1,"min_spot":"0.1"}'

_CLOCK = """\
import os, threading, time
from datetime import datetime

def follow(path, sleep=time.sleep):
    import time_machine
    traveller, last = None, ""
    while True:
        with open(path) as file:
            wanted = file.read()
        if wanted != last:
            if traveller is not None:
                traveller.stop()
            traveller = time_machine.travel(datetime.fromisoformat(wanted))
            traveller.start()
            last = wanted
        sleep(0.02)

threading.Thread(target=follow, args=(os.environ["CLOCK_OF_TEST"],), daemon=True).start()
"""


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """A mirror that is not running and has published nothing."""
    return Mirror(tmp_path, make_house(lambda: ec.generate_private_key(ec.SECP256R1())))


def enrolled(caller: Caller) -> str:
    status, _, body = caller("/installations", "POST")
    assert status == 201
    return str(msgspec.json.decode(body)["installation"])


def stored(mirror: Mirror, installation: str) -> dict[str, str]:
    """The newest thin snapshot of an installation."""
    with mirror.records() as records:
        (found,) = (one for one in records.newest_thin_snapshots() if one.installation == installation)
    return dict(found.components)


# Blobs


def offered(mirror: Mirror, release: Published) -> dict[str, tuple[Path, bytes]]:
    """What is asked for, where it lies, and what it is."""
    index = next((mirror.data / "catalogue/targets/sdk/botocore").glob("*.index.json.zst"))
    below = index.relative_to(mirror.data / "catalogue")
    role = mirror.data / "catalogue/1.sdk.json"
    return {
        "/catalogue/1.sdk.json": (role, role.read_bytes()),
        f"{RELEASE}/manifest": (mirror.data / f"{RELEASE[1:]}/manifest", release.manifest),
        f"{RELEASE}/pack": (mirror.data / f"{RELEASE[1:]}/pack", release.pack),
        f"/catalogue/{below}": (index, index.read_bytes()),
    }


def flipped(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def swap(path: Path, raw: bytes) -> None:
    """Another file in the place of one, as a disk's repair or a careless copy leaves it."""
    part = path.with_name("part")
    part.write_bytes(raw)
    part.rename(path)


@pytest.mark.parametrize("name", ["manifest", "pack", "index", "1.sdk.json"])
def test_a_file_that_is_gone_is_refused_by_name_until_it_is_back(mirror: Mirror, name: str) -> None:
    asked, (path, raw) = next(
        (asked, what) for asked, what in offered(mirror, mirror.publish()).items() if name in asked
    )
    with mirror.running() as process:
        caller = mirror.caller(mirror.party())
        path.unlink()
        refusals = {(503, "unavailable")}
        for _ in range(3):
            assert caller.reason(asked) in refusals
        assert caller("/licences")[0] == 200
        swap(path, raw)
        assert caller(asked)[::2] == (200, raw)
        path.unlink()  # once more, now that it may be held in memory
        status, _, body = caller(asked)
        assert (status, body) == (200, raw) or (status, msgspec.json.decode(body)["reason"]) in refusals
        assert process.poll() is None


@pytest.mark.parametrize("name", ["manifest", "pack", "index", "1.sdk.json"])
def test_a_small_file_with_a_flipped_bit_is_never_served(mirror: Mirror, name: str) -> None:
    asked, (path, raw) = next(
        (asked, what) for asked, what in offered(mirror, mirror.publish()).items() if name in asked
    )
    chance = random.Random(1)  # noqa: S311  not for secrets
    with mirror.running() as process:
        caller = mirror.caller(mirror.party())
        for place in (0, len(raw) - 1, *(chance.randrange(len(raw)) for _ in range(5))):
            swap(path, flipped(raw, place))
            assert caller.reason(asked) == (503, "unavailable")
            assert caller.reason(asked, Range=f"bytes={place}-{place}") == (503, "unavailable")
        swap(path, raw)
        assert caller(asked)[::2] == (200, raw)
        swap(path, flipped(raw, 0))  # once more, now that it may be held in memory
        status, _, body = caller(asked)
        assert (status, body) == (200, raw) or (status, msgspec.json.decode(body)["reason"]) == (503, "unavailable")
        assert process.poll() is None


@pytest.mark.parametrize("other", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda _: b""])
def test_a_large_pack_of_another_length_is_never_served(mirror: Mirror, other: Callable[[bytes], bytes]) -> None:
    release = mirror.publish(3 * 2**20)
    path, asked = mirror.data / f"{RELEASE[1:]}/pack", f"{RELEASE}/pack"
    with mirror.running() as process:
        caller = mirror.caller(mirror.party())
        for _ in range(2):
            swap(path, other(release.pack))
            assert caller.reason(asked) == (503, "unavailable")
            assert caller.reason(asked, Range="bytes=0-9") == (503, "unavailable")
            swap(path, release.pack)
            assert caller(asked)[::2] == (200, release.pack)
        assert process.poll() is None


# The memory


def transactions(folder: str) -> int:
    """Read transactions that are open in it, of all processes."""
    environment = lmdb.open(folder, readonly=True, max_dbs=len(TABLES), max_readers=4096)
    try:
        return sum(line.split()[-1] != "-" for line in environment.readers().splitlines()[1:])
    finally:
        environment.close()


def test_callers_that_came_and_went_hold_no_transaction(mirror: Mirror) -> None:
    mirror.publish()
    with mirror.running() as process:
        (folder,) = set(re.findall(r"(/\S+)/data\.mdb", Path(f"/proc/{process.pid}/maps").read_text()))
        before = transactions(folder)
        minter = mirror.caller(mirror.party("globex"))
        for _ in range(12):  # each in a world of its own, with a certificate of its own
            caller = mirror.caller(mirror.party())
            assert caller("/licences")[0] == 200
            caller.close()
            assert minter("/installations", "POST")[0] == 201
        assert transactions(folder) <= before


# The clock


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in which it is written what time the mirror's processes believe it is."""
    path = tmp_path / "clock"
    path.write_text(datetime.now(UTC).isoformat())
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(_CLOCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("CLOCK_OF_TEST", str(path))
    return path


def set_clock(path: Path, moment: datetime) -> None:
    part = path.with_name("clock.part")
    part.write_text(moment.isoformat())
    part.rename(path)


def dated(mirror: Mirror, day: str) -> bool:
    """Whether the newest audit line is of that day."""
    return any(str(line["time"]).startswith(day) for line in mirror.audit()[-1:])


@pytest.mark.parametrize(("days", "reason"), [(4000, "expired"), (-4000, "not-yet-valid")])
def test_a_clock_that_jumps_and_comes_back_leaves_nothing_behind(
    mirror: Mirror, clock: Path, days: int, reason: str
) -> None:
    mirror.publish()
    with mirror.running() as process:
        caller = mirror.caller(mirror.party())
        installation = enrolled(caller)
        place = f"/installations/{installation}/thin-snapshot"
        assert caller(place, "PUT", NOTHING)[0] == 204
        set_clock(clock, datetime.now(UTC) + days * DAY)
        mirror.until(lambda: caller("/licences")[0] == 403)
        assert caller.reason("/licences") == (403, reason)
        assert caller.reason(place, "PUT", ONE)[0] == 403
        assert stored(mirror, installation) == {}
        time.sleep(1.2)  # a turn of all that is done each second, at that time
        set_clock(clock, datetime.now(UTC))
        mirror.until(lambda: caller("/licences")[0] == 200)
        assert caller(f"{RELEASE}/pack")[0] == 200
        assert caller(place, "PUT", ONE)[0] == 204
        assert stored(mirror, installation) == {"sdk/botocore": "1.40.0"}
        assert process.poll() is None


def test_a_thin_snapshot_of_a_clock_that_was_ahead_does_not_hide_those_after_it(mirror: Mirror, clock: Path) -> None:
    mirror.publish()
    with mirror.running():
        caller = mirror.caller(mirror.party())
        installation = enrolled(caller)
        place = f"/installations/{installation}/thin-snapshot"
        set_clock(clock, datetime.now(UTC) + DAY)
        ahead = f"{datetime.now(UTC) + DAY:%Y-%m-%d}"
        mirror.until(lambda: caller("/licences")[0] == 200 and dated(mirror, ahead))
        assert caller(place, "PUT", NOTHING)[0] == 204
        set_clock(clock, datetime.now(UTC))
        mirror.until(lambda: caller("/licences")[0] == 200 and not dated(mirror, ahead))
        assert caller(place, "PUT", ONE)[0] == 204
        assert stored(mirror, installation) == {"sdk/botocore": "1.40.0"}


# File descriptors


def descendants(process: int) -> Iterator[int]:
    """A process, and all that it started."""
    yield process
    for task in Path(f"/proc/{process}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from descendants(int(child))


@contextlib.contextmanager
def flood(port: int, count: int) -> Iterator[None]:
    """So many connections that say nothing."""
    opened = []
    try:
        for _ in range(count):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            opened.append(one)
        yield
    finally:
        for one in opened:
            one.close()


def test_without_file_descriptors_those_who_are_in_are_answered_and_all_is_well_once_there_are_some(
    mirror: Mirror,
) -> None:
    release = mirror.publish()
    with mirror.running() as process:
        caller, party = mirror.caller(mirror.party()), mirror.party()
        installation = enrolled(caller)
        for one in descendants(process.pid):
            used = len(list(Path(f"/proc/{one}/fd").iterdir()))
            resource.prlimit(one, resource.RLIMIT_NOFILE, (used + 8, used + 8))
        with flood(mirror.port, 200):
            time.sleep(0.5)
            for _ in range(10):
                status, _, body = caller(f"{RELEASE}/pack")
                assert (status, body) == (200, release.pack) or status == 503
                assert caller("/licences")[0] == 200
                status = caller(f"/installations/{installation}/thin-snapshot", "PUT", ONE)[0]
                assert status in {204, 429, 503}
                assert status != 204 or stored(mirror, installation) == {"sdk/botocore": "1.40.0"}

        def answers() -> bool:
            fresh = Caller(mirror.port, mirror.context(party))
            with contextlib.closing(fresh), contextlib.suppress(OSError):
                return fresh(f"{RELEASE}/pack")[::2] == (200, release.pack)
            return False

        mirror.until(answers, seconds=15)
        assert caller(f"/installations/{enrolled(caller)}/thin-snapshot", "PUT", ONE)[0] == 204
        assert process.poll() is None
        assert len(mirror.stderr()) < 200_000  # no line for each try


# Death


class Reporting(threading.Thread):
    """Installations of a customer that enrol and send a thin snapshot, one after the other, until nobody answers."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__(daemon=True)
        self._caller = mirror.caller(mirror.party())
        self.accepted: list[str] = []

    def run(self) -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                status, _, body = self._caller("/installations", "POST")
                if status != 201:
                    continue
                installation = str(msgspec.json.decode(body)["installation"])
                if self._caller(f"/installations/{installation}/thin-snapshot", "PUT", ONE)[0] == 204:
                    self.accepted.append(installation)


@pytest.mark.slow
def test_killed_under_load_no_accepted_thin_snapshot_is_lost_and_what_was_answered_has_its_line(mirror: Mirror) -> None:
    mirror.publish()
    chance, accepted, kills = random.Random(1), list[str](), 5  # noqa: S311  not for secrets
    for _ in range(kills):
        with mirror.running() as process:
            sending = [Reporting(mirror) for _ in range(4)]
            for one in sending:
                one.start()
            time.sleep(0.2 + chance.random() * 0.5)
            for pid in [*descendants(process.pid)]:
                os.kill(pid, signal.SIGKILL)
            for one in sending:
                one.join(10)
        accepted += [installation for one in sending for installation in one.accepted]
    assert len(accepted) > kills
    with mirror.records() as records:
        kept = {one.installation: one.components for one in records.newest_thin_snapshots()}
    assert {name for name in accepted if kept.get(name) != {"sdk/botocore": "1.40.0"}} == set()
    with mirror.running():
        pass
    lines = [line for line in mirror.audit() if (line["route"], line["status"]) == ("thin-snapshot", 204)]
    assert len(lines) >= len(accepted)
