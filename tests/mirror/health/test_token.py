"""mirror.health.token: a secret is taken from a file that is its owner's alone."""

from pathlib import Path

import pytest

from mirror.errors import ServeError
from mirror.health.token import MAX_BYTES, MIN_LENGTH, read_token


def written(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    file = folder / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return file


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\nwhat follows is not read\n"])
def test_the_first_line_is_the_token(tmp_path: Path, ending: bytes) -> None:
    assert read_token(written(tmp_path, b"0123456789abcdef" + ending)) == b"0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "weak-token"),
        (b"x" * (MIN_LENGTH - 1), "weak-token"),
        (b"\n0123456789abcdef", "weak-token"),
        (b"0123456789abcdef 0123456789abcdef", "weak-token"),
        ("0123456789abcdefö".encode(), "weak-token"),
        (b"0123456789abcdef\x00", "weak-token"),
        (b"x" * (MAX_BYTES + 1), "too-large"),
    ],
)
def test_what_is_no_token_is_refused_and_not_repeated(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(ServeError) as caught:
        read_token(written(tmp_path, content))
    assert caught.value.reason == reason
    assert "0123456789abcdef" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ServeError) as caught:
        read_token(written(tmp_path, b"0123456789abcdef\n", mode))
    assert caught.value.reason == "bad-mode"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServeError, match="nowhere") as caught:
        read_token(tmp_path / "nowhere")
    assert caught.value.reason == "missing-file"
