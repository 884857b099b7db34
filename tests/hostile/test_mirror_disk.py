"""A mirror whose data disk is full, or turns read-only under it: downloads go on, and what is lost is said once."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror.cli import main
from tests.ca.house import make_house
from tests.hostile.needs import need, need_root
from tests.mirror.content.rig import Caller, Mirror

PACK = "/releases/sdk/botocore/1.40.0/any/pack"
NOTHING = b'{"components":{},"format":1,"min_spot":"0.1"}'
LOST, UNWRITTEN = "audit lines cannot be written down", '"event": "the store does not answer", "level": "warning"'


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """A mirror that is not running."""
    need_root()
    mirror = Mirror(tmp_path, make_house(lambda: ec.generate_private_key(ec.SECP256R1())))
    mirror.publish()
    return mirror


def mount(*arguments: str | Path) -> bool:
    return subprocess.run(["mount", *arguments], capture_output=True, check=False).returncode == 0


@contextmanager
def on_disk(mirror: Mirror, *disk: str | Path) -> Iterator[None]:
    """The mirror's data on a disk of its own: what `mount` is to be told of it."""
    aside = mirror.data.rename(mirror.folder / "aside")
    mirror.data.mkdir()
    need("a disk of its own for the test", here=mount(*disk, mirror.data))
    with contextlib.ExitStack() as after:
        after.callback(subprocess.run, ["umount", str(mirror.data)], check=True)
        shutil.copytree(aside, mirror.data, dirs_exist_ok=True)
        mirror.data.chmod(0o700)
        yield


def audited(mirror: Mirror) -> list[tuple[int, str]]:
    """Status and route of the whole lines of the audit: the disk cut one short, which is there again after it."""
    found = []
    for raw in (mirror.data / "audit.jsonl").read_bytes().splitlines():
        with contextlib.suppress(msgspec.DecodeError):
            line = msgspec.json.decode(raw)
            found.append((line["status"], line["route"]))
    return found


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(2**12)):
            pass
    return ballast


def enrolled(caller: Caller) -> str:
    status, _, body = caller("/installations", "POST")
    assert status == 201
    return str(msgspec.json.decode(body)["installation"])


def serves_but_cannot_write(mirror: Mirror, caller: Caller, installation: str) -> None:
    """What holds while nothing can be written: everything that only reads is answered, nothing is pretended."""
    place = f"/installations/{installation}/thin-snapshot"
    time.sleep(1.1)  # when an installation was last seen is known to the second: there must be news to write down
    for _ in range(10):
        assert caller(PACK, Spot_Installation=installation)[0] == 200
        assert caller("/catalogue/timestamp.json")[0] == 200
        assert caller("/licences")[0] == 200
        assert caller.reason("/installations", "POST") == (503, "unavailable")
        assert caller.reason(place, "PUT", NOTHING) == (503, "unavailable")
    mirror.until(lambda: mirror.stderr().count(UNWRITTEN) == 1)
    time.sleep(2.1)  # two more turns, which fail alike
    assert mirror.stderr().count(UNWRITTEN) == 1
    assert mirror.stderr().count(LOST) == 1
    assert "Traceback" not in mirror.stderr()


@pytest.mark.slow
def test_on_a_full_disk_downloads_go_on_and_all_is_well_once_there_is_room(mirror: Mirror) -> None:
    with on_disk(mirror, "-t", "tmpfs", "-o", "size=16m", "tmpfs"), mirror.running() as process:
        caller = mirror.caller(mirror.party())
        installation = enrolled(caller)
        ballast = fill(mirror.data)
        serves_but_cannot_write(mirror, caller, installation)
        ballast.unlink()
        place = f"/installations/{installation}/thin-snapshot"
        assert caller(place, "PUT", NOTHING)[0] == 204
        mirror.until(lambda: audited(mirror).count((204, "thin-snapshot")) == 1)
        assert audited(mirror).count((200, "pack")) == 10  # lines wait for the disk, and none is lost
        assert process.poll() is None
        with mirror.records() as records:
            assert [line.components for line in records.thin_snapshots(installation)] == [{}]


@pytest.mark.slow
def test_on_a_disk_that_turns_read_only_downloads_go_on(mirror: Mirror) -> None:
    image = mirror.folder / "image"
    with image.open("wb") as file:
        file.truncate(64 * 2**20)
    made = shutil.which("mkfs.ext4") and subprocess.run(["mkfs.ext4", "-q", str(image)], check=False).returncode == 0
    need("mkfs.ext4", here=bool(made))
    with on_disk(mirror, "-o", "loop", image), mirror.running() as process:
        caller = mirror.caller(mirror.party())
        installation = enrolled(caller)
        need("a file system that can be aborted", here=mount("-o", "remount,abort", mirror.data))
        serves_but_cannot_write(mirror, caller, installation)
        process.terminate()
        assert process.wait(20) == 0


def test_it_does_not_start_on_a_read_only_disk_and_says_so_in_a_sentence(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["spot-mirror", "serve", "--config", str(mirror.config())])
    with on_disk(mirror, "-t", "tmpfs", "tmpfs"):
        assert mount("-o", "remount,ro", mirror.data)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("spot-mirror: ")
    assert str(mirror.data) in said
    assert said.count("\n") == 1
