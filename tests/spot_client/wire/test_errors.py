"""An error may quote whoever wrote the bytes: what it says is one line, short, and does nothing to a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import thin_snapshot
from spot_client.wire.errors import BadName, DigestError, FormatError, WireError

LONGEST = 1000


@pytest.mark.parametrize("kind", [BadName, DigestError, FormatError])
@given(text=st.text(max_size=30) | st.text(st.sampled_from("a\x1b\x07\n\ud800\u202e\x9b"), max_size=LONGEST + 5))
def test_whatever_an_error_quotes_it_can_be_shown_as_it_is(kind: type[WireError], text: str) -> None:
    said = str(kind("bad-name", text))
    assert said.isprintable()
    assert len(said) <= LONGEST
    said.encode()


def test_what_can_be_shown_is_left_alone_and_what_is_too_long_is_seen_to_be_cut() -> None:
    assert str(FormatError("bad-index", "“Füße” are 足.")) == "“Füße” are 足."
    assert str(FormatError("bad-index", "a" * LONGEST)) == "a" * LONGEST
    assert str(FormatError("bad-index", "a" * (LONGEST + 1))) == "a" * (LONGEST - 1) + "…"
    assert str(FormatError("bad-index", "a\x1b[2J\nb")) == "a [2J b"


@pytest.mark.parametrize("name", ["\\u001b]0;owned\\u0007", "x" * 60_000, "\\u202egnp.exe", "a\\nspot: all is well"])
def test_an_unknown_field_is_named_without_harm(name: str) -> None:
    raw = f'{{"components":{{}},"format":1,"min_spot":"0.1","{name}":1}}'.encode()
    with pytest.raises(FormatError, match="unknown field") as error:
        thin_snapshot.decode(raw)
    assert error.value.reason == "wrong-shape"
    assert str(error.value).isprintable()
    assert len(str(error.value)) <= LONGEST
