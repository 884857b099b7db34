"""One digest stands for both spellings of a document: compressed, and plain."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import strict_json
from spot_client.wire import frame, sealed
from spot_client.wire.digest import Blob, sha256_hex, verify
from spot_client.wire.errors import DigestError, FormatError, WireError
from spot_client.wire.sealed import Seal

CONTENT = b'{"plain":"content"}'


def refusal(raw: bytes, seal: Seal, max_size: int = 100) -> tuple[type[WireError], str]:
    with pytest.raises(WireError) as error:
        sealed.unseal(raw, seal, max_size=max_size, what="The document")
    return type(error.value), error.value.reason


def signed(head: object, packed: bytes, end: bytes = b"\n") -> tuple[bytes, Seal]:
    """Bytes with this head, and a seal that is right for them: what only the signer can make."""
    line = strict_json.encode(head) + end
    return line + packed, Seal(sha256_hex(line), len(line) + len(packed))


def head(content: bytes, packed: bytes) -> dict[str, object]:
    blobs = {"content": content, "frame": packed}
    named = {name: {"length": len(data), "sha256": sha256_hex(data)} for name, data in blobs.items()}
    return {"format": 1, "min_spot": "0.1", **named}


@given(st.binary(max_size=100))
def test_content_is_unsealed_as_it_was_sealed(content: bytes) -> None:
    raw, seal = sealed.seal(content, level=1)
    assert sealed.unseal(raw, seal, max_size=len(content), what="The document") == content


@given(st.data())
def test_no_other_bytes_fit_a_seal(data: st.DataObject) -> None:
    raw, seal = sealed.seal(CONTENT, level=1)
    at = data.draw(st.integers(0, len(raw) - 1))
    other = raw[:at] + data.draw(st.binary(min_size=1, max_size=1)) + raw[at + 1 :]
    if other != raw:
        assert refusal(other, seal) == (DigestError, "wrong-digest")


@given(st.data())
def test_checking_without_unpacking_refuses_what_unsealing_refuses(data: st.DataObject) -> None:
    raw, seal = sealed.seal(CONTENT, level=1)
    sealed.check(raw, seal, what="The document")
    at = data.draw(st.integers(0, len(raw) - 1))
    for other in (raw[:at], raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]):
        with pytest.raises(DigestError):
            sealed.check(other, seal, what="The document")


def test_bytes_of_another_length_are_refused_before_they_are_looked_at() -> None:
    raw, seal = sealed.seal(CONTENT, level=1)
    for other in (b"", raw[:-1], raw + b"\0", bytes(10_000)):
        assert refusal(other, seal) == (DigestError, "wrong-length")


def test_compressed_bytes_are_verified_before_a_decoder_sees_them() -> None:
    packed = frame.compress(CONTENT, level=1)
    raw, seal = signed(head(CONTENT, packed), b"\xff" * len(packed))
    assert refusal(raw, seal) == (DigestError, "wrong-digest")


def test_content_that_its_own_head_does_not_name_is_refused() -> None:
    packed = frame.compress(CONTENT, level=1)
    assert refusal(*signed(head(CONTENT[:-1] + b"]", packed), packed)) == (DigestError, "wrong-digest")
    assert refusal(*signed(head(CONTENT + b" ", packed), packed)) == (DigestError, "wrong-length")
    assert refusal(*signed(head(CONTENT[:-1], packed), packed)) == (FormatError, "too-large")


def test_a_head_that_is_none_is_refused_although_it_was_signed() -> None:
    packed = frame.compress(CONTENT, level=1)
    good = head(CONTENT, packed)
    assert refusal(*signed({**good, "format": 2}, packed)) == (FormatError, "too-new")
    assert refusal(*signed({**good, "more": 1}, packed)) == (FormatError, "wrong-shape")
    assert refusal(*signed({**good, "content": None}, packed)) == (FormatError, "wrong-shape")
    assert refusal(*signed(good, packed, end=b" \n")) == (FormatError, "not-canonical")
    assert refusal(b"no line at all", Seal(sha256_hex(b""), 14))[0] is FormatError


def test_a_line_that_does_not_end_in_time_is_no_head() -> None:
    raw, seal = signed({"x": "y" * sealed.MAX_HEAD_BYTES}, b"")
    assert refusal(raw, seal) == (DigestError, "wrong-digest")


def test_content_over_the_callers_limit_is_refused_whatever_was_signed() -> None:
    raw, seal = sealed.seal(bytes(101), level=1)
    assert refusal(raw, seal) == (FormatError, "too-large")


def test_bytes_are_held_to_length_and_digest() -> None:
    blob = Blob(len(CONTENT), sha256_hex(CONTENT))
    verify(CONTENT, blob, "The bytes")
    verify(memoryview(CONTENT), blob, "The bytes")
    for other, reason in ((CONTENT[1:], "wrong-length"), (CONTENT.upper(), "wrong-digest")):
        with pytest.raises(DigestError) as error:
            verify(other, blob, "The bytes")
        assert error.value.reason == reason
