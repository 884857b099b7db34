"""A file is read within bounds, and written whole or not at all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ca.errors import TlsError
from ca.files import PRIVATE, read_file, replace, write_new


def refused(path: Path, max_bytes: int = 10, *, private: bool = False) -> str:
    with pytest.raises(TlsError) as error:
        read_file(path, max_bytes=max_bytes, refusal=TlsError, private=private)
    return error.value.reason


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert read_file(path, max_bytes=10, refusal=TlsError) == b"0123456789"
    assert refused(path, 9) == "too-large"
    assert refused(Path("/dev/zero")) == "unreadable-file"
    assert refused(tmp_path) == "unreadable-file"
    assert refused(tmp_path / "none") == "missing-file"
    assert refused(path / "below") == "unreadable-file"


@pytest.mark.parametrize("writer", [False, True])
def test_a_pipe_is_refused_and_never_waited_for(tmp_path: Path, *, writer: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    handle = os.open(pipe, os.O_RDWR | os.O_NONBLOCK) if writer else None
    assert refused(pipe, private=True) == "unreadable-file"
    if handle is not None:
        os.close(handle)


def test_a_private_file_has_no_rights_for_others(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_new(path, b"secret", PRIVATE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_file(path, max_bytes=10, refusal=TlsError, private=True) == b"secret"
    path.chmod(0o604)
    assert refused(path, private=True) == "bad-mode"


@pytest.mark.parametrize("there", ["file", "link"])
def test_a_new_file_never_replaces_anything(tmp_path: Path, there: str) -> None:
    path = tmp_path / "new"
    if there == "file":
        path.write_bytes(b"old")
    else:
        path.symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_new(path, b"new")
    assert os.listdir(tmp_path) == ["new"]  # noqa: PTH208 - names, the dangling link included
    assert path.is_symlink() or path.read_bytes() == b"old"


def test_a_replaced_file_is_another_one(tmp_path: Path) -> None:
    """Who has the old one open goes on reading the old one."""
    path = tmp_path / "file"
    replace(path, b"old")
    with path.open("rb") as reader:
        replace(path, b"new")
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"


def test_what_a_killed_run_left_is_not_trusted(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    (tmp_path / ".file.part").symlink_to(victim)
    write_new(tmp_path / "file", b"new", PRIVATE)
    assert victim.read_bytes() == b"victim"
    assert not (tmp_path / "file").is_symlink()
    assert not (tmp_path / ".file.part").exists()


FILL = """
import resource, signal, sys
from pathlib import Path
from ca.files import replace
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    replace(Path(sys.argv[1]), b"x" * 5000)
except OSError as error:
    sys.exit(error.errno)
"""


def test_a_write_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A limit on file sizes fails like a full disk: some bytes are written, then an error comes."""
    path = tmp_path / "file"
    replace(path, b"old")
    # Coverage, too, would write its own file within that limit, and leave a torn one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run([sys.executable, "-c", FILL, path], check=False, env=environment)
    assert done.returncode > 0
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"file": b"old"}
