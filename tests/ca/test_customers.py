"""A list of customers is read strictly: nothing is guessed, and all that is wrong is told with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.customers import MAX_CSV, MAX_ROWS, Wanted, read_customers
from ca.errors import IssueError
from ca.identity import ID_PATTERN
from ca.profiles import KeyType
from tests.ca.house import reason_of


def refused(raw: bytes) -> str:
    with pytest.raises(IssueError) as error:
        read_customers(raw)
    assert error.value.reason == "bad-csv"
    assert "Nothing was issued" in str(error.value)
    assert len(str(error.value)) < 2000
    return str(error.value)


def test_a_row_is_a_bundle() -> None:
    raw = b"customer,file,key_type,days\nacme,,,\nglobex,G.1.bundle,rsa3072,30\n"
    assert read_customers(raw) == (
        Wanted("acme", "acme.bundle"),
        Wanted("globex", "G.1.bundle", KeyType.RSA3072, 30),
    )


def test_a_row_may_say_how_many_enrol_with_its_bundle() -> None:
    raw = b"installations,customer\n250,acme\n,globex\n"
    first, second = read_customers(raw)
    assert (first.installations, second.installations) == (250, None)
    for number in (b"0", b"1000001", b"-1", b"x", b"1.5"):
        assert "a whole number of installations" in refused(b"customer,installations\nacme," + number + b"\n")


@pytest.mark.parametrize(
    "raw",
    [
        b"customer\nacme\nglobex\n",
        b"customer\nacme\nglobex",
        b"customer\r\nacme\r\nglobex\r\n",
        b"\xef\xbb\xbfcustomer\nacme\nglobex\n",
        b'"customer"\n"acme"\n"globex"\n',
        b"days,customer\n,acme\n,globex\n",
        b"customer\nacme\n\n\nglobex\n\n",
    ],
)
def test_the_usual_spellings_mean_the_same(raw: bytes) -> None:
    assert read_customers(raw) == (Wanted("acme", "acme.bundle"), Wanted("globex", "globex.bundle"))


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"customer\n", "0 customers"),
        (b"acme\nglobex\n", "'acme' is not one of the columns"),
        (b"customer,Days\nacme,1\n", "'Days' is not one of the columns"),
        (b"customer,\nacme,\n", "'' is not one of the columns"),
        (b"customer, file\nacme,x\n", "' file' is not one of the columns"),
        (b"customer,customer\nacme,acme\n", "named twice"),
        (b"file\nx\n", "customer is missing"),
        (b"customer;file\nacme;x\n", "not one of the columns"),
        (b"customer,days\nacme\n", "line 2 has 1 cells, not 2"),
        (b"customer\nacme,\n", "line 2 has 2 cells, not 1"),
        (b"customer\nAcme\n", "line 2: 'Acme' is not a valid customer"),
        (b"customer\n../acme\n", "'../acme' is not a valid customer"),
        (b"customer\n=cmd()\n", "'=cmd()' is not a valid customer"),
        (b"customer\n" + b"a" * 64 + b"\n", "is not a valid customer"),
        (b"customer\n acme\n", "' acme' is not a valid customer"),
        (b"customer,days\nacme,0\n", "whole number of days"),
        (b"customer,days\nacme,7301\n", "whole number of days"),
        (b"customer,days\nacme,1e3\n", "whole number of days"),
        (b"customer,days\nacme,nan\n", "whole number of days"),
        ("customer,days\nacme,\u0663\u0660\n".encode(), "whole number of days"),
        (b"customer,days\nacme," + b"9" * 5000 + b"\n", "whole number of days"),
        (b"customer,key_type\nacme,rsa1024\n", "'rsa1024' is not one of the key types"),
        (b"customer,file\nacme,../x\n", "'../x' is not a plain file name"),
        (b"customer,file\nacme,/etc/passwd\n", "is not a plain file name"),
        (b"customer,file\nacme,.x\n", "is not a plain file name"),
        (b"customer,file\nacme,a b\n", "is not a plain file name"),
        (b'customer,file\nacme,"a\nb"\n', "is not a plain file name"),
        (b"customer\nacme\nacme\n", "line 3: customer acme stands twice"),
        (b"customer,file\nacme,x\nglobex,X\n", "line 3: file x stands twice"),
        (b"customer,file\nacme,globex.bundle\nglobex,\n", "file globex.bundle stands twice"),
        (b'customer\n"acme\n', "line "),
        (b'customer\n"ac"me\n', "line "),
        (b"customer\nac\rme\n", "line "),
        (b"customer\nacme\0\n", "NUL"),
        (b"customer\n\xff\n", "UTF-8"),
        ("customer\nacme\n".encode("utf-16"), "UTF-8"),
        (b"customer\n" + b"a" * 200_000 + b"\n", "line "),
        (b"customer\n" + b"\n" * MAX_CSV, "more than"),
        (b"customer\n" + b"a\n" * (MAX_ROWS + 1), "not 1 to 10000"),
    ],
)
def test_anything_else_is_refused_and_told(raw: bytes, told: str) -> None:
    assert told in refused(raw)


def test_all_lines_are_told_at_once_and_not_without_end() -> None:
    message = refused(b"customer\n" + b"".join(b"X%d\n" % number for number in range(15)))
    assert "line 2: 'X0'" in message
    assert "line 11: 'X9'" in message
    assert "'X10'" not in message
    assert "5 more" in message


@given(st.lists(st.from_regex(ID_PATTERN, fullmatch=True), min_size=1, max_size=20, unique=True))
def test_what_is_listed_is_wanted_in_its_order(customers: list[str]) -> None:
    found = read_customers("\n".join(["customer", *customers]).encode())
    assert [one.customer for one in found] == customers


@given(
    st.binary(max_size=100)
    | st.text(max_size=60).map(str.encode)
    | st.text('acme,"\n\r\t;0', max_size=60).map(lambda text: f"customer,days\n{text}".encode())
)
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    found: list[Wanted] = []
    assert reason_of(lambda: found.extend(read_customers(raw))) in {None, "bad-csv"}
    assert all("/" not in one.file and ID_PATTERN.fullmatch(one.customer) for one in found)
