"""When this installation last had a good catalogue: written down, and never in the way."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from spot_client import checked
from spot_client.config import Paths

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / ".spot").mkdir()
    return Paths(tmp_path)


def test_what_is_remembered_is_told(paths: Paths) -> None:
    assert checked.last(paths) is None
    checked.remember(paths, NOW)
    assert checked.last(paths) == NOW
    assert (paths.own / "checked").read_text() == "2026-03-01T12:30:00Z\n"
    assert (paths.own / "checked").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("raw", [b"", b"x", b"\xff", b"2026-13-01T00:00:00Z\n", b"2026-03-01T12:30:00Z", b"1" * 10**6])
def test_what_cannot_be_read_is_never(paths: Paths, raw: bytes) -> None:
    (paths.own / "checked").write_bytes(raw)
    assert checked.last(paths) is None


def test_a_folder_in_its_place_is_never(paths: Paths) -> None:
    (paths.own / "checked").mkdir()
    assert checked.last(paths) is None
