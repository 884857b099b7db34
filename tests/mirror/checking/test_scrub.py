"""mirror.checking.scrub: every byte on offer is read, what is wrong is named, and what is gone since is not missed."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ca.finding import Finding
from mirror.blobs import LocalBlobs
from mirror.checking import scrub
from mirror.checking.findings import judge_scrub
from mirror.checking.look import look
from mirror.checking.noted import Noted
from mirror.checking.releases import Stored
from mirror.checking.scrub import Paced, Scrubbed
from mirror.errors import CatalogueFault
from tests.mirror.content.rig import LISTS, Mirror, make_index, sign_catalogue

RELEASE = "releases/sdk/botocore/1.40.0/any"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def scrubbed(mirror: Mirror, blobs: Stored | None = None) -> tuple[Scrubbed, list[Finding]]:
    stored = blobs or LocalBlobs(mirror.data)
    return scrub.scrub(mirror.data / "catalogue", stored, lambda: NOW, lambda _what, _done, _total: None)


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


def target(mirror: Mirror, end: str) -> Path:
    (found,) = (path for path in (mirror.data / "catalogue/targets").rglob(f"*.{end}") if "sdk" in str(path))
    return found


def test_of_what_is_whole_everything_is_read(mirror: Mirror) -> None:
    size = sum(path.stat().st_size for path in (mirror.data / "releases").rglob("*") if path.is_file())
    assert scrubbed(mirror) == (Scrubbed(NOW, 2, 7, size, 0, ()), [])


@pytest.mark.parametrize("name", ["manifest", "pack"])
def test_a_bit_flipped_anywhere_is_found_and_named(mirror: Mirror, name: str) -> None:
    path = mirror.data / RELEASE / name
    whole = path.read_bytes()
    chance = random.Random(1)  # noqa: S311  not for secrets
    for place in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(20))):
        flip(path, place)
        done, (finding,) = scrubbed(mirror)
        assert (done.findings, done.damaged) == (1, (RELEASE,))
        assert (finding.severity, "sdk/botocore 1.40.0 for any" in finding.what) == ("problem", True)
        assert "Restore" in finding.next
        path.write_bytes(whole)


@pytest.mark.parametrize("name", ["manifest", "pack"])
def test_what_is_missing_or_cut_off_is_found(mirror: Mirror, name: str) -> None:
    path = mirror.data / RELEASE / name
    path.write_bytes(path.read_bytes()[:-1])
    assert [finding.code for finding in scrubbed(mirror)[1]] == ["wrong-length"]
    path.unlink()
    assert [finding.code for finding in scrubbed(mirror)[1]] == ["missing"]


def test_all_damage_is_told_at_once_of_targets_too(mirror: Mirror) -> None:
    flip(mirror.data / RELEASE / "pack", 5)
    (mirror.data / "releases/science/numpy/2.2.5/any/manifest").unlink()
    flip(target(mirror, "baselines.json.zst"), 5)
    done, found = scrubbed(mirror)
    assert sorted(finding.code for finding in found) == ["damaged", "missing", "wrong-digest"]
    assert str(target(mirror, "baselines.json.zst")) in " ".join(finding.what for finding in found)
    assert (done.releases, done.findings) == (2, 3)


def test_where_an_index_is_damaged_the_other_releases_are_still_read(mirror: Mirror) -> None:
    flip(target(mirror, "index.json.zst"), 5)
    done, (finding,) = scrubbed(mirror)
    assert (done.releases, finding.code) == (1, "damaged")
    assert "backup" in finding.what


def test_without_a_catalogue_there_is_nothing_to_hold_it_to(mirror: Mirror) -> None:
    (mirror.data / "catalogue/timestamp.json").unlink()
    with pytest.raises(CatalogueFault):
        scrubbed(mirror)


class Withdrawing:
    """Blobs that a withdrawal overtakes while they are read."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror, self._blobs = mirror, LocalBlobs(mirror.data)
        self.open = self._blobs.open

    def pieces(self, key: str, lengths: Sequence[int]) -> Iterator[bytes]:
        if key.endswith("pack") and "sdk" in key:
            science = self._mirror.indexes[1]
            indexes = [make_index("sdk/botocore", [], ["1.39.0", "1.40.0"]), science]
            sign_catalogue(self._mirror.data / "catalogue", indexes, 2, self._mirror.signer, LISTS)
            self._blobs.remove(key)
        yield from self._blobs.pieces(key, lengths)


def test_what_was_withdrawn_meanwhile_is_not_missed(mirror: Mirror) -> None:
    flip(mirror.data / "releases/science/numpy/2.2.5/any/pack", 0)
    done, (finding,) = scrubbed(mirror, Withdrawing(mirror))
    assert "science/numpy" in finding.what
    assert done.damaged == ("releases/science/numpy/2.2.5/any",)


def test_reading_keeps_to_its_rate(mirror: Mirror) -> None:
    clock, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    blobs = Paced(LocalBlobs(mirror.data), 1000, lambda: clock[0], sleep)
    pieces = blobs.pieces(f"{RELEASE}/pack", [(mirror.data / RELEASE / "pack").stat().st_size])
    length = len(next(pieces))
    clock[0] += 1  # what was done with it took its time
    assert next(pieces, None) is None
    assert slept == [pytest.approx(length / 1000 - 1)]
    clock[0] += 3600  # a slow disk is not made up for
    (length,) = map(len, blobs.pieces(f"{RELEASE}/manifest", [(mirror.data / RELEASE / "manifest").stat().st_size]))
    assert slept[1] == pytest.approx(length / 1000)


def test_what_it_came_to_is_kept_for_the_owner_alone(mirror: Mirror) -> None:
    path = mirror.data / scrub.FILE_NAME
    done = Scrubbed(NOW, 2, 7, 100, 1, (RELEASE,))
    scrub.write(path, done)
    assert scrub.last(path) == done
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    assert scrub.last(path) is None


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"ended":"yesterday"}', b"[" * 2**17])
def test_a_result_that_is_none_is_an_error(mirror: Mirror, raw: bytes) -> None:
    path = mirror.data / scrub.FILE_NAME
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="document"):
        scrub.last(path)


@pytest.mark.parametrize(
    ("days", "findings", "told"),
    [
        (30, 0, ("ok", "good")),
        (31, 0, ("warning", "scrub-old")),
        (0, 1, ("problem", "scrub-found")),
        (31, 1, ("problem", "scrub-found")),
    ],
)
def test_how_the_last_one_is_judged(days: int, findings: int, told: tuple[str, str]) -> None:
    found = judge_scrub(NOW - timedelta(days=days), findings, (RELEASE,) * findings, NOW)
    assert (found.severity, found.code) == told


def test_of_many_damaged_ones_some_are_named() -> None:
    found = judge_scrub(NOW, 5, ("a", "b", "c", "d"), NOW)
    assert "found 5 damaged or missing: a, b, c, ..." in found.what
    assert "found 2 damaged or missing: a, b." in judge_scrub(NOW, 2, ("a", "b"), NOW).what


def checked(mirror: Mirror, now: datetime) -> set[str]:
    noted = Noted()
    found = look(mirror.folder / "mirror.toml", now, noted, deep=False, progress=lambda _what, _done, _total: None)
    return {one.code for one in found if one.code.startswith("scrub")}


def test_the_check_tells_of_the_last_one_or_of_none_since_the_first_release(mirror: Mirror) -> None:
    path, now = mirror.data / scrub.FILE_NAME, datetime.now(UTC)
    assert checked(mirror, now) == set()
    scrub.write(path, Scrubbed(NOW, 2, 7, 100, 1, (RELEASE,)))
    assert checked(mirror, now) == {"scrub-found"}
    for nothing in (b"nonsense", None):
        path.unlink()
        if nothing:
            path.write_bytes(nothing)
        assert checked(mirror, now) == {"scrub-old"}  # of the first of January
    assert checked(mirror, datetime(2026, 1, 20, tzinfo=UTC)) == set()


def test_the_result_has_one_form() -> None:
    raw = msgspec.json.encode(Scrubbed(NOW, 2, 7, 100, 0, ()))
    assert b'"ended":"2026-11-01T12:00:00Z"' in raw
