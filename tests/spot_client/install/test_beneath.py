"""Nothing that others put below a folder leads out of it, keeps us waiting, or is overwritten."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from spot_client.decide.configs import Link, Odd, Regular
from spot_client.install import beneath, laying
from spot_client.wire.digest import sha256_hex


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "root" / "file").write_bytes(b"x")
    return tmp_path / "root"


def put(root: Path, path: str, *, over: bool = False) -> bool:
    return laying.put(root, path, lambda sink: sink.write(b"new"), mode=0o640, make=0o700, over=over)


def outside(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root.parent / "out").iterdir()}


def test_a_file_appears_whole_with_its_mode_and_what_is_there_stays(root: Path) -> None:
    assert put(root, "in/deep/file")
    assert (root / "in/deep/file").read_bytes() == b"new"
    assert (root / "in/deep/file").stat().st_mode & 0o777 == 0o640
    assert (root / "in/deep").stat().st_mode & 0o777 == 0o700
    assert not put(root, "file")
    assert (root / "file").read_bytes() == b"x"
    assert put(root, "file", over=True)
    assert (root / "file").read_bytes() == b"new"
    assert [path.name for path in root.rglob("*spot-new*")] == []


@pytest.mark.parametrize("path", ["link/new", "link/deep/new", "file/new"])
def test_nothing_is_written_through_a_link_or_a_file(root: Path, path: str) -> None:
    attempts: tuple[Callable[[], object], ...] = (
        lambda: put(root, path),
        lambda: put(root, path, over=True),
        lambda: laying.put_link(root, path, "x", make=0o700),
        lambda: laying.put_folder(root, path, 0o700),
        lambda: laying.copy(root, "file", root, path, make=0o700),
        lambda: laying.copy(root, path, root, "in/new"),
    )
    for attempt in attempts:
        with pytest.raises(NotADirectoryError):
            attempt()
    assert outside(root) == {"secret": b"secret"}


def test_a_link_is_replaced_and_never_written_through(root: Path) -> None:
    (root / "one").symlink_to(root.parent / "out/secret")
    assert not put(root, "one")
    assert put(root, "one", over=True)
    assert outside(root) == {"secret": b"secret"}
    assert not (root / "one").is_symlink()


def test_a_root_that_is_a_link_is_not_entered(root: Path) -> None:
    assert beneath.look(root / "link", "secret") == Odd("behind a link or a file")
    with pytest.raises(NotADirectoryError):
        put(root / "link", "new")


def test_what_lies_there_is_told_without_following_or_waiting(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    found = {name: beneath.look(root, name, max_bytes=10) for name in ("file", "link", "in", "pipe", "socket", "none")}
    assert found == {
        "file": Regular(sha256_hex(b"x")),
        "link": Link(str(root.parent / "out")),
        "in": Odd("a folder"),
        "pipe": Odd("a pipe"),
        "socket": Odd("a socket"),
        "none": None,
    }
    assert beneath.look(root, "link/secret") == Odd("behind a link or a file")
    assert beneath.look(root, "none/none") is None
    (root / "big").write_bytes(bytes(11))
    assert beneath.look(root, "big", max_bytes=10) == Odd("a file of more than 0 MiB")
    assert beneath.there(root, "link/none")
    assert not beneath.there(root, "in/none")


def test_a_copy_has_the_mode_but_no_rights_to_act_as_another(root: Path) -> None:
    (root / "file").chmod(0o6711)
    assert laying.copy(root, "file", root, "in/copy")
    assert (root / "in/copy").stat().st_mode & 0o7777 == 0o711
    assert laying.copy(root, "link", root, "in/link")
    assert (root / "in/link").readlink() == root.parent / "out"


@pytest.mark.parametrize("odd", [os.mkfifo, Path.mkdir])
def test_what_is_neither_file_nor_link_is_not_copied(root: Path, odd: Callable[[Path], object]) -> None:
    odd(root / "odd")
    with pytest.raises(OSError, match="odd"):
        laying.copy(root, "odd", root, "in/copy")
    assert list((root / "in").iterdir()) == []


def test_a_failure_while_writing_leaves_nothing(root: Path) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        laying.put(root, "in/new", fail, mode=0o600)
    assert list((root / "in").iterdir()) == []


def test_what_a_killed_run_left_is_cleared_whatever_it_is(root: Path) -> None:
    (root / "in" / beneath.PART).mkdir()
    (root / "in" / beneath.PART / "x").touch()
    assert put(root, "in/new")
    assert [path.name for path in (root / "in").iterdir()] == ["new"]
