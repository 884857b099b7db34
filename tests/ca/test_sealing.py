"""A sealed stream opens with its passphrase, whole and as it was; anything else is refused by name."""

import io
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import CaError
from ca.sealing import _BLOCK, _TAG, seal, unseal
from tests.ca.house import reason_of

SALT = bytes(range(16))
SECRET = "correct horse"


def sealed(*parts: bytes) -> bytes:
    return b"".join(seal(parts, SECRET, SALT))


def opened(raw: bytes, passphrase: str = SECRET) -> bytes:
    return b"".join(unseal(io.BytesIO(raw), passphrase))


def refused(raw: bytes, passphrase: str = SECRET) -> str | None:
    return reason_of(lambda: opened(raw, passphrase))


@pytest.mark.parametrize("length", [0, 1, _BLOCK - 1, _BLOCK, _BLOCK + 1, 3 * _BLOCK])
def test_it_comes_back_as_it_was_in_whatever_parts_it_was_given(length: int) -> None:
    content = bytes(number % 251 for number in range(length))
    parts = [content[:10], b"", content[10 : _BLOCK + 5], content[_BLOCK + 5 :]]
    raw = sealed(*parts)
    assert raw == sealed(content)
    assert opened(raw) == content
    assert content[:50] not in raw or not content


def test_another_passphrase_opens_nothing() -> None:
    assert refused(sealed(b"x"), "another one") == "wrong-passphrase"


def test_what_was_cut_swapped_or_changed_is_noticed() -> None:
    raw = sealed(bytes(_BLOCK), bytes(_BLOCK), b"end")
    start = raw.index(b"\n") + 1
    blocks = [raw[start + number * (_BLOCK + _TAG) :][: _BLOCK + _TAG] for number in range(3)]
    assert refused(raw[:start] + blocks[0] + blocks[1]) == "damaged-backup"
    assert refused(raw[:start] + blocks[0] + blocks[2]) == "damaged-backup"
    assert refused(raw[:start] + blocks[0] + blocks[2] + blocks[1]) == "damaged-backup"
    assert refused(raw[:start] + blocks[1] + blocks[0] + blocks[2]) == "wrong-passphrase"
    assert refused(raw[:start] + blocks[0]) == "wrong-passphrase"
    assert refused(raw[:start]) == "wrong-passphrase"
    assert refused(raw + b"x") == "damaged-backup"
    assert refused(raw[:-1]) == "damaged-backup"


def test_nothing_is_handed_on_before_it_was_verified() -> None:
    raw = bytearray(sealed(bytes(_BLOCK), b"secret"))
    raw[-1] ^= 1
    found = unseal(io.BytesIO(bytes(raw)), SECRET)
    assert next(found) == bytes(_BLOCK)
    with pytest.raises(CaError):
        next(found)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not-a-backup"),
        (b"SQLite format 3\0", "not-a-backup"),
        (b"x" * 10_000, "not-a-backup"),
        (b"spot-ca-backup: 1 scrypt n=2 r=8 p=1 salt=" + b"0" * 32 + b"\n", "not-a-backup"),
        (b"spot-ca-backup: 2 argon2 salt=00\n", "too-new"),
    ],
)
def test_something_else_is_no_backup_and_costs_nothing(raw: bytes, reason: str) -> None:
    assert refused(raw) == reason


def test_who_gives_the_parts_may_fail() -> None:
    def failing() -> Iterator[bytes]:
        yield b"x"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        b"".join(seal(failing(), SECRET, SALT))


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_whatever_is_changed_is_refused_by_name(data: st.DataObject) -> None:
    raw = bytearray(sealed(b"content of a file"))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    assert refused(bytes(raw)) in {"not-a-backup", "too-new", "wrong-passphrase"}
