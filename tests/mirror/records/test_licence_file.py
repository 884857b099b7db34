"""The file of wanted licences: what is written is read, and what cannot be meant is refused with the table's name."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RecordsError
from mirror.records import licence_file
from mirror.records.difference import Wanted
from mirror.records.protocol import Licence
from tests.mirror.records.licensing import wanted

HEAD = "[customer.acme.sdk]\n"
TERMS = 'channels = ["stable"]\nfrom = 2026-01-01\ninstallations = 10\n'


def refused(text: str | bytes) -> tuple[str, str]:
    """Reason and sentence."""
    with pytest.raises(RecordsError) as caught:
        licence_file.read(text.encode() if isinstance(text, str) else text)
    return caught.value.reason, str(caught.value)


def test_a_file_as_people_write_it() -> None:
    text = f'{HEAD}channels = ["stable", "beta", "stable"]\nfrom = 2026-01-01\nuntil = 2026-12-31\ninstallations = 10\n'
    read = licence_file.read(f"# ours\n{text}\n[customer.globex]\n".encode())
    licence = Licence("acme", "sdk", ("beta", "stable"), date(2026, 1, 1), date(2026, 12, 31), 10)
    assert read == Wanted(("acme", "globex"), (licence,))


def test_only_the_last_day_may_be_left_out_for_an_open_end() -> None:
    (licence,) = licence_file.read((HEAD + TERMS).encode()).licences
    assert licence.valid_until is None
    for line in TERMS.splitlines(keepends=True):
        reason, sentence = refused(HEAD + TERMS.replace(line, ""))
        assert reason == "bad-file"
        assert f"`{line.split()[0]}`" in sentence


@given(wanted())
def test_what_is_written_is_read_again(value: Wanted) -> None:
    assert licence_file.read(licence_file.write(value).encode()) == value


REFUSED = {
    "not UTF-8": (b"\xff", "not-toml"),
    "not TOML": ("customer", "not-toml"),
    "too deep": ("a = " + "[" * 5000, "not-toml"),
    "empty": ("", "bad-file"),
    "an unknown table": (f"[customers.acme.sdk]\n{TERMS}", "bad-file"),
    "another table beside": (f"{HEAD}{TERMS}[mirror]\n", "bad-file"),
    "customers that are no table": ("customer = 1", "bad-file"),
    "a customer that is no table": ("[customer]\nacme = 1", "bad-file"),
    "terms without a product": (f"[customer.acme]\n{TERMS}", "bad-file"),
    "an array of tables": (f"[[customer.acme.sdk]]\n{TERMS}", "bad-file"),
    "a table below": (f"{HEAD}{TERMS}[customer.acme.sdk.more]\n", "bad-file"),
    "the same twice": (f"{HEAD}{TERMS}{HEAD}{TERMS}", "not-toml"),
    "a key of another spelling": (HEAD + TERMS.replace("channels", "channel"), "bad-file"),
    "a day that is none": (HEAD + TERMS.replace("2026-01-01", "2026-02-31"), "not-toml"),
    "a day in quotes": (HEAD + TERMS.replace("2026-01-01", '"2026-01-01"'), "bad-file"),
    "a time of day": (HEAD + TERMS.replace("2026-01-01", "2026-01-01T00:00:00Z"), "bad-file"),
    "a number in quotes": (HEAD + TERMS.replace("10", '"10"'), "bad-file"),
    "a number with a point": (HEAD + TERMS.replace("10", "10.0"), "bad-file"),
    "no number": (HEAD + TERMS.replace("10", "nan"), "bad-file"),
    "true for a number": (HEAD + TERMS.replace("10", "true"), "bad-file"),
    "none": (HEAD + TERMS.replace("10", "0"), "bad-licence"),
    "a huge number": (HEAD + TERMS.replace("10", "9" * 40), "bad-licence"),
    "one channel without brackets": (HEAD + TERMS.replace('["stable"]', '"stable"'), "bad-file"),
    "no channel": (HEAD + TERMS.replace('"stable"', ""), "bad-licence"),
    "a channel that is no id": (HEAD + TERMS.replace("stable", "a b"), "bad-name"),
    "an end before the beginning": (f"{HEAD}{TERMS}until = 2025-12-31\n", "bad-licence"),
    "a customer that is no id": (f'[customer."../acme".sdk]\n{TERMS}', "bad-name"),
    "a product that is reserved": (f"[customer.acme.targets]\n{TERMS}", "bad-name"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_meant_is_refused(text: str | bytes, reason: str) -> None:
    assert refused(text)[0] == reason


def test_a_refusal_names_the_table() -> None:
    assert "[customer.acme.sdk]" in refused(HEAD + TERMS.replace("10", "0"))[1]


def test_what_a_terminal_would_obey_is_not_repeated() -> None:
    for text in (f'[customer."\\u001b[2J".sdk]\n{TERMS}', f'[customer.acme."\\u001b[2J"]\n{TERMS}'):
        assert refused(text)[1].isprintable()


def test_a_file_has_a_largest_size() -> None:
    assert refused(b"#" * (licence_file.MAX_BYTES + 1))[0] == "too-large"
    assert refused(b"#" * licence_file.MAX_BYTES)[0] == "bad-file"


def test_a_file_has_a_largest_number_of_licences() -> None:
    line = '={channels=["a"],from=2026-01-01,installations=1}\n'
    text = "[customer.acme]\n" + "".join(f"p{number}{line}" for number in range(licence_file.MAX_LICENCES))
    assert len(licence_file.read(text.encode()).licences) == licence_file.MAX_LICENCES
    assert refused(f"{text}one-more{line}")[0] == "too-many"


@given(st.binary(max_size=60) | st.text(alphabet="[]{}.=\"'\n customer#1-a", max_size=60).map(str.encode))
def test_any_bytes_at_all_are_read_or_refused_by_name(raw: bytes) -> None:
    try:
        licence_file.read(raw)
        reason = ""
    except RecordsError as error:
        reason = error.reason
    assert reason in {"", "not-toml", "bad-file", "bad-name", "bad-licence"}
