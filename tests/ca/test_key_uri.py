"""ca.key_uri: the issuing key may lie elsewhere, and what does not clearly name a file of this machine is refused."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.key_uri import MAX_URI, key_file
from tests.ca.house import reason_of
from tests.ca.spot_ca import Spot


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("file:/media/stick/issuing.key", "/media/stick/issuing.key"),
        ("file:///media/stick/issuing.key", "/media/stick/issuing.key"),
        ("file://localhost/media/stick/issuing.key", "/media/stick/issuing.key"),
        ("FILE:/a%20b/%C3%A4.key", "/a b/ä.key"),
    ],
)
def test_a_file_is_named_in_the_ways_of_rfc_8089(uri: str, path: str) -> None:
    assert key_file(uri) == Path(path)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("", "bad-key-uri"),
        ("/media/stick/issuing.key", "bad-key-uri"),
        ("issuing.key", "bad-key-uri"),
        ("file:", "bad-key-uri"),
        ("file:issuing.key", "bad-key-uri"),
        ("file:/media/", "bad-key-uri"),
        ("file://other/issuing.key", "bad-key-uri"),
        ("file:////media/issuing.key", "bad-key-uri"),
        ("file:/a b", "bad-key-uri"),
        ("file:/a%2", "bad-key-uri"),
        ("file:/a%00b", "bad-key-uri"),
        ("file:/a?b", "bad-key-uri"),
        ("file:/a#b", "bad-key-uri"),
        ("file:/a\n", "bad-key-uri"),
        (f"file:/{'a' * MAX_URI}", "bad-key-uri"),
        ("pkcs11:token=ca;object=issuing", "unknown-key-scheme"),
        ("https://example.com/issuing.key", "unknown-key-scheme"),
    ],
)
def test_what_names_no_file_here_is_refused(uri: str, reason: str) -> None:
    assert reason_of(lambda: key_file(uri)) == reason


@given(st.text(max_size=200) | st.text(max_size=100).map("file:/{}".format))
def test_whatever_it_says_a_whole_path_comes_of_it_or_a_refusal(uri: str) -> None:
    reason = reason_of(lambda: key_file(uri))
    assert reason in {None, "bad-key-uri", "unknown-key-scheme"}
    if reason is None:
        assert key_file(uri).is_absolute()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Spot, str]:
    """A CA whose issuing key lies on a stick, and how that is named."""
    spot, stick = Spot(tmp_path / "ca"), tmp_path / "a stick"
    spot("init", "--realm", "build.example.com", "--key-type", "ecdsa-p256")
    stick.mkdir(mode=0o700)
    shutil.move(spot.folder / "issuing.key", stick / "issuing.key")
    return spot, f"file:{stick}/issuing.key".replace(" ", "%20")


def test_what_is_signed_is_signed_with_the_key_that_lies_elsewhere(kept: tuple[Spot, str]) -> None:
    spot, uri = kept
    assert "issuing.key" in spot.refused(5, "crl")
    spot("--issuing-key", uri, "crl")
    shutil.move(spot.folder / "root.key", spot.folder.parent / "root.key")
    named = {"SPOT_CA_PASSPHRASE": "correct horse", "SPOT_CA_ISSUING_KEY": uri}
    assert spot.try_("issue", "client", "acme", "--key-type", "ecdsa-p256", env=named).exit_code == 0
    assert spot.try_("revoke", "acme", env=named).exit_code == 0
    assert len(spot.revoked()) == 1
    assert "pkcs11" in spot.refused(3, "--issuing-key", "pkcs11:token=ca", "list")


def test_the_check_looks_at_it_where_it_lies_and_misses_it_not_when_it_is_away(kept: tuple[Spot, str]) -> None:
    spot, uri = kept
    issue = spot.try_("--issuing-key", uri, "issue", "client", "acme")
    assert issue.exit_code == 0
    shutil.move(spot.folder / "root.key", spot.folder.parent / "root.key")
    (spot.folder / "issued/acme.key").unlink()
    assert spot.try_("--issuing-key", uri, "check").exit_code == 0
    assert "issuing.key" in spot.try_("check").stdout
    stick = spot.folder.parent / "a stick"
    (stick / "issuing.key").chmod(0o644)
    found = spot.try_("--issuing-key", uri, "check")
    assert (found.exit_code, f"chmod 600 {stick}/issuing.key" in found.stdout) == (6, True)
    stick.rename(stick.with_name("away"))
    assert spot.try_("--issuing-key", uri, "check").exit_code == 0
