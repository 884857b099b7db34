"""The id of an installation, and that no slip on the telephone goes unnoticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import installation
from spot_client.wire.errors import BadName

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

installations = st.binary(min_size=10, max_size=10).map(installation.mint)


def reason(text: str) -> str:
    with pytest.raises(BadName) as error:
        installation.read_short_form(text)
    return error.value.reason


@given(installations)
def test_every_single_wrong_character_is_noticed(whole: str) -> None:
    short = installation.short_form(whole)
    for at, right in enumerate(short):
        if right == "-":
            continue
        for wrong in ALPHABET.replace(right, ""):
            assert reason(short[:at] + wrong + short[at + 1 :]) == "check-characters"


@given(installations)
def test_every_swap_of_two_neighbours_is_noticed(whole: str) -> None:
    plain = installation.short_form(whole).replace("-", "")
    for at in range(len(plain) - 1):
        left, right = plain[at], plain[at + 1]
        if left != right:
            assert reason(plain[:at] + right + left + plain[at + 2 :]) == "check-characters"


@given(installations)
def test_a_short_form_is_read_however_it_is_said(whole: str) -> None:
    short = installation.short_form(whole)
    for said in (short, short.lower(), short.replace("-", ""), f" {short.replace('-', ' ')} "):
        assert installation.read_short_form(said) == whole[:8]
    assert installation.read_short_form(short.replace("0", "O").replace("1", "I")) == whole[:8]
    assert installation.read_short_form(short.replace("0", "o").replace("1", "l")) == whole[:8]


@given(st.text(max_size=14))
def test_anything_else_is_no_short_form(text: str) -> None:
    try:
        head = installation.read_short_form(text)
    except BadName:
        return
    assert installation.read_short_form(installation.short_form(head)) == head


@pytest.mark.parametrize("text", ["", "7K2M-9XQ4", "7K2M-9XQ4-AEE", "7K2M-9XQ4-AU", "7K2M_9XQ4_AE", "\uff17K2M9XQ4AE"])
def test_what_has_another_length_or_other_letters_is_no_short_form(text: str) -> None:
    assert reason(text) == "bad-short-form"


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_other_randomness_is_another_id(one: bytes, other: bytes) -> None:
    assert (installation.mint(one) == installation.mint(other)) == (one == other)
    assert installation.INSTALLATION_ID.fullmatch(installation.mint(one))


@pytest.mark.parametrize("count", [0, 9, 11])
def test_an_id_is_made_of_ten_bytes_exactly(count: int) -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        installation.mint(bytes(count))
