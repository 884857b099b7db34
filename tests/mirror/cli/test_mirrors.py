"""The commands `mirrors ...`: URLs and pins that clients take over from the signed catalogue alone."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.profiles import SERVER
from ca.subjects import Hosts
from mirror import catalogue
from tests.ca.house import House, make_house, pem_of
from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import approve, person

URL = "https://updates.example.com"


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def certified(vendor: Shell, house: House) -> Shell:
    """With three server certificates for the mirror, one for another host, and one of a CA."""
    for name in ("current", "next", "backup"):
        (vendor.folder / f"{name}.crt").write_bytes(certificate(house, "updates.example.com"))
    (vendor.folder / "other.crt").write_bytes(certificate(house, "other.example.com"))
    (vendor.folder / "ca.crt").write_bytes(pem_of(house.issuing.certificate))
    (vendor.folder / "two.crt").write_bytes((vendor.folder / "current.crt").read_bytes() * 2)
    return vendor


def certificate(house: House, host: str) -> bytes:
    return pem_of(house.leaf(Hosts("mirror", (host,)), SERVER).certificate)


def signed(shell: Shell) -> list[tuple[str, bool, bool]]:
    """The mirrors that clients see: URL, and whether there are a next and a backup pin."""
    shell.done("catalogue-timer", "--once")
    found = catalogue.load(shell.folder / "data/catalogue").trust
    return [(one.url, one.next is not None, one.backup is not None) for one in found.mirrors] if found else []


def test_two_people_sign_for_a_mirror_with_its_pins(certified: Shell) -> None:
    words = ("mirrors", "set", URL, "--current", "current.crt", "--next", "next.crt", "--backup", "backup.crt")
    assert "once that is signed:" in certified.done(*words, *person(certified, "alice")).out
    assert signed(certified) == []
    said = approve(certified, "bob").out
    assert URL in said
    assert signed(certified) == [(URL, True, True)]
    (line,) = json.loads(certified.done("mirrors", "list", "--json").out)
    assert line == {"url": URL, **{name: Path(f"{name}.crt").read_text() for name in ("current", "next", "backup")}}
    assert certified.done("mirrors", "list").out.startswith(f"{URL}\n  current  ")


def test_each_pin_is_another_certificate(certified: Shell) -> None:
    result = certified("mirrors", "set", URL, "--current", "current.crt", "--next", "current.crt")
    assert (result.code, "One certificate is given twice" in result.err) == (3, True)


def test_a_certificate_is_exchanged_by_setting_the_pins_anew(certified: Shell) -> None:
    certified.done("mirrors", "set", URL, "--current", "current.crt", "--next", "next.crt", *person(certified, "alice"))
    approve(certified, "bob")
    assert signed(certified) == [(URL, True, False)]
    certified.done("mirrors", "set", URL, "--current", "next.crt", *person(certified, "carol"))
    approve(certified, "alice")
    assert signed(certified) == [(URL, False, False)]
    (line,) = json.loads(certified.done("mirrors", "list", "--json").out)
    assert line["current"] == (certified.folder / "next.crt").read_text()


def test_mirrors_are_asked_in_their_order_and_the_last_one_stays(certified: Shell) -> None:
    second = f"{URL}:8443"
    certified.done("mirrors", "set", URL, "--current", "current.crt", *person(certified, "alice"))
    certified.done("mirrors", "set", second, "--current", "current.crt", "--first", *person(certified, "alice"))
    assert [one["url"] for one in json.loads(certified.done("mirrors", "list", "--json").out)] == [second, URL]
    approve(certified, "bob")
    signed(certified)
    certified.done("mirrors", "remove", second, *person(certified, "alice"))
    approve(certified, "bob")
    assert [url for url, *_ in signed(certified)] == [URL]
    result = certified("mirrors", "remove", URL, *person(certified, "alice"))
    assert result.code == 3
    assert "add another one first" in result.err


@pytest.mark.parametrize(
    ("url", "file", "code", "told"),
    [
        (URL, "other.crt", 5, "not for updates.example.com"),
        (URL, "ca.crt", 5, ""),
        (URL, "two.crt", 5, "holds 2 certificates"),
        (URL, "nothing.crt", 5, "nothing.crt"),
        (URL, "source/lib/a.txt", 5, ""),
        ("http://updates.example.com", "current.crt", 3, "write https://HOST"),
        ("updates.example.com", "current.crt", 3, "write https://HOST"),
        (f"{URL}/path", "current.crt", 3, ""),
        ("https://user@updates.example.com", "current.crt", 3, ""),
        (f"{URL}:99999", "current.crt", 3, "write https://HOST"),
        (f"{URL}:0", "current.crt", 3, "write https://HOST"),
        ("https://[updates.example.com", "current.crt", 3, "write https://HOST"),
    ],
)
def test_what_clients_would_not_take_is_refused(certified: Shell, url: str, file: str, code: int, told: str) -> None:
    result = certified("mirrors", "set", url, "--current", file, *person(certified, "alice"))
    assert result.code == code, result.err
    assert told in result.err
    assert certified.done("staged", "--json").out.strip() == "[]"


def test_where_nobody_signed_a_list_it_is_said(vendor: Shell) -> None:
    assert vendor.done("mirrors", "list").out == "No mirrors are signed for: clients use those of their bundle.\n"
    result = vendor("mirrors", "remove", URL, *person(vendor, "alice"))
    assert result.code == 3
    assert "no official mirror" in result.err
