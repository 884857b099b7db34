"""A passphrase comes from a file, the environment or a person, in this order, and never appears anywhere."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ca.errors import PassphraseError, VaultError
from ca.passphrase import read_passphrase

SECRET = "correct horse"


def read(file: Path | None = None, environ: dict[str, str] | None = None, *, confirm: bool = False) -> str:
    return read_passphrase(
        env="SPOT_X", file=file, prompt="Passphrase", confirm=confirm, environ=environ or {}, interactive=False
    )


def refused(file: Path | None = None, environ: dict[str, str] | None = None, *, confirm: bool = False) -> str:
    with pytest.raises(PassphraseError) as error:
        read(file, environ, confirm=confirm)
    assert SECRET not in str(error.value)
    return error.value.reason


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(mode=0o600)
    return path


@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"{SECRET}\r\n", f"{SECRET}\nsecond line\n"])
def test_a_file_gives_its_first_line(file: Path, content: str) -> None:
    file.write_text(content, newline="")
    assert read(file, {"SPOT_X": "another one"}) == SECRET


def test_spaces_belong_to_the_passphrase(file: Path) -> None:
    file.write_text(f"  {SECRET} \n")
    assert read(file) == f"  {SECRET} "


def test_the_environment_comes_second() -> None:
    assert read(environ={"SPOT_X": SECRET}) == SECRET


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_may_touch_is_refused(file: Path, mode: int) -> None:
    file.write_text(SECRET)
    file.chmod(mode)
    assert refused(file) == "bad-mode"


def test_a_file_that_was_named_must_be_usable(file: Path) -> None:
    environ = {"SPOT_X": SECRET}
    assert refused(file.with_name("none"), environ) == "missing-file"
    assert refused(file.parent, environ) == "unreadable-file"
    assert refused(file, environ) == "no-passphrase"
    file.write_bytes(b"\xff\xfe")
    assert refused(file, environ) == "unreadable-file"
    file.write_bytes(b"x" * 5000)
    assert refused(file, environ) == "too-large"


def test_without_any_the_three_ways_are_named() -> None:
    with pytest.raises(VaultError, match=r"SPOT_X.*--passphrase-file.*terminal") as error:
        read()
    assert error.value.reason == "no-passphrase"
    assert refused(environ={"SPOT_X": ""}) == "no-passphrase"


def test_a_short_one_is_refused_only_when_it_is_chosen() -> None:
    assert refused(environ={"SPOT_X": "1234567"}, confirm=True) == "weak-passphrase"
    assert read(environ={"SPOT_X": "12345678"}, confirm=True) == "12345678"
    assert read(environ={"SPOT_X": "1234567"}) == "1234567"


ASK = """
import sys
from ca.passphrase import read_passphrase
print(read_passphrase(env="SPOT_X", file=None, prompt="Passphrase", confirm=True, environ={}, interactive=True)[::-1])
"""


@pytest.mark.slow
def test_a_person_is_asked_twice_and_nothing_is_echoed() -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", ASK], stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as program:
        os.close(theirs)
        shown = b""
        for _ in range(2):
            while not shown.endswith(b": "):
                shown += os.read(ours, 1024)
            os.write(ours, SECRET.encode() + b"\n")
            shown += os.read(ours, 1024)
        output, _ = program.communicate(timeout=20)
    os.close(ours)
    assert output.decode().strip() == SECRET[::-1]
    assert SECRET.encode() not in shown
    assert b"[]" not in shown  # no default is offered


def test_a_credential_of_systemd_is_guarded_by_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user other than root reads it by an access list, which shows as a right of the group."""
    file = tmp_path / "passphrase"
    file.write_text("correct horse\n")
    file.chmod(0o440)

    monkeypatch.chdir(tmp_path)
    assert read(file, {"CREDENTIALS_DIRECTORY": str(tmp_path)}) == "correct horse"
    for folder in (None, "", ".", str(tmp_path.parent)):
        environ = {} if folder is None else {"CREDENTIALS_DIRECTORY": folder}
        for named in (file, Path("passphrase")):
            with pytest.raises(PassphraseError) as refused:
                read(named, environ)
            assert refused.value.reason == "bad-mode"


def test_a_passphrase_may_come_out_of_a_pipe() -> None:
    ours, theirs = os.pipe()
    os.write(theirs, b"correct horse\nmore\n")
    os.close(theirs)
    assert read(Path(f"/dev/fd/{ours}")) == "correct horse"
    os.close(ours)
