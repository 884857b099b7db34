"""What goes with a certificate that is revoked."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.entry import Entry
from ca.errors import IssueError
from ca.identity import Identity
from ca.issue import Issuer
from ca.profiles import CLIENT, ENROL, SERVER
from ca.renewing import Refuse, Why, decide
from ca.revoking import going
from ca.vault import open_vault
from tests.ca.family import PROFILES, client, enrolment, key, request
from tests.ca.house import ENTRY, NOW, REALM
from tests.ca.spot_ca import ENV, PASSPHRASE, Spot, certificate, issue_client, issue_server

ONE, TWO = client("acme", "one"), client("acme", "two")


def entry(serial: str, identity: Identity, parent: str | None = None, *, is_revoked: bool = False) -> Entry:
    return msgspec.structs.replace(
        ENTRY,
        serial=serial,
        profile=PROFILES[identity.role].name,
        name=identity.name,
        who=identity.uri,
        parent=parent,
        revoked_at=NOW if is_revoked else None,
    )


BUNDLE, OLD_BUNDLE, PACKAGE = entry("a1", client()), entry("a2", client()), entry("a3", enrolment())
FIRST, RENEWED = entry("b1", ONE, "a1"), entry("b2", ONE, "b1")
NEIGHBOUR, ENROLLED = entry("c1", TWO, "a1"), entry("d1", client("acme", "three"), "a3")
GLOBEX = entry("e1", client("globex"))
SERVERS = [
    msgspec.structs.replace(ENTRY, serial=serial, profile=SERVER.name, name="eu", who="localhost")
    for serial in ("f1", "f2")
]
MIRROR = msgspec.structs.replace(ENTRY, serial="f3", profile="mirror", name="eu", who=f"spiffe://{REALM}/mirror/eu")
CA = msgspec.structs.replace(ENTRY, serial="f4", profile="issuing", name="issuing", who=REALM)
ALL = [CA, BUNDLE, OLD_BUNDLE, PACKAGE, FIRST, RENEWED, NEIGHBOUR, ENROLLED, GLOBEX, *SERVERS, MIRROR]


def told(wanted: str, entries: Sequence[Entry] = ALL, *, only: bool = False) -> dict[str, str]:
    return {one.entry.serial: one.why for one in going(entries, wanted, only=only)}


def refused(wanted: str, *, only: bool = False) -> str:
    with pytest.raises(IssueError) as error:
        told(wanted, only=only)
    return error.value.reason


EVERYTHING_OF_ONE = {"b1": "itself", "b2": "itself"}
CASES = {
    "b1": {"b1": "itself", "b2": "same identity"},
    "B2": {"b1": "same identity", "b2": "itself"},
    "acme/one": EVERYTHING_OF_ONE,
    ONE.uri: EVERYTHING_OF_ONE,
    "a1": {"a1": "itself", "a2": "same identity", "b1": "descends", "b2": "descends", "c1": "descends"},
    "a3": {"a3": "itself", "d1": "descends"},
    enrolment().uri: {"a3": "itself", "d1": "descends"},
    "acme": dict.fromkeys(["a1", "a2", "a3", "b1", "b2", "c1", "d1"], "itself"),
    "globex": {"e1": "itself"},
    "f1": {"f1": "itself"},
    "f3": {"f3": "itself"},
}


@pytest.mark.parametrize(("wanted", "found"), CASES.items(), ids=CASES)
def test_an_identity_goes_with_all_its_certificates_and_all_that_came_of_them(
    wanted: str, found: dict[str, str]
) -> None:
    assert told(wanted) == found


@pytest.mark.parametrize("wanted", ["a1", "b1", "f1", "globex"])
def test_one_goes_alone_if_that_is_said(wanted: str) -> None:
    assert list(told(wanted, only=True).values()) == ["itself"]


@pytest.mark.parametrize("wanted", ["initech", "acme/four", "issuing", "f4", REALM, "/", "", "spiffe://", "one"])
def test_what_is_not_there_is_not_found_and_never_a_ca(wanted: str) -> None:
    assert refused(wanted) == "not-found"


def test_a_name_of_several_parties_is_ambiguous() -> None:
    assert refused("eu") == "ambiguous"
    assert refused("acme", only=True) == "ambiguous"
    assert refused("acme/one", only=True) == "ambiguous"


@pytest.mark.parametrize("spelling", ["abc0", "ABC0", "0xabc0", "00:AB:C0"])
def test_a_serial_is_found_in_any_usual_spelling(spelling: str) -> None:
    assert told(spelling, [CA, ENTRY]) == {"abc0": "itself"}


def test_what_is_revoked_already_stays_so_and_its_descendants_go() -> None:
    """Of one that went alone, what came of it can still be taken back."""
    gone = entry("b1", ONE, "a1", is_revoked=True)
    assert told("b1", [BUNDLE, gone, RENEWED]) == {"b2": "same identity"}
    assert told("a1", [entry("a1", client(), is_revoked=True), gone, NEIGHBOUR]) == {"c1": "descends"}
    assert told("b1", [BUNDLE, gone]) == {"b1": "itself"}


@given(
    st.lists(st.tuples(st.sampled_from([client(), ONE, TWO, client("globex")]), st.none() | st.integers(0, 9))),
    st.integers(0, 9),
)
def test_nothing_that_could_renew_is_left_over(shape: list[tuple[Identity, int | None]], number: int) -> None:
    """After a revocation nobody lives who has the same identity, or whose parent was revoked with it."""
    entries = [
        entry(f"a{index}", identity, None if parent is None else f"a{parent}")
        for index, (identity, parent) in enumerate(shape)
    ]
    if number >= len(entries):
        return
    gone = told(f"a{number}", entries)
    who = shape[number][0]
    for index, (identity, parent) in enumerate(shape):
        if identity == who or f"a{parent}" in gone:
            assert f"a{index}" in gone


class Issued:
    """What spot-ca has issued, and what installations have asked for under it."""

    def __init__(self, spot: Spot) -> None:
        self.spot = spot
        self._keys = 0

    def child(self, identity: Identity, parent: int, now: datetime | None = None) -> int:
        self._keys += 1
        with open_vault(self.spot.folder) as vault:
            signer: Issuer = vault.unlock("issuing", PASSPHRASE)
            public = key(self._keys).public_key()
            profile = ENROL if identity.role is ENROL.role else CLIENT
            when = now or datetime.now(UTC)
            return vault.issue(identity, public, profile, signer, when, parent=f"{parent:x}").serial_number


@pytest.fixture
def issued(spot: Spot) -> Issued:
    return Issued(spot)


def test_a_thief_who_renewed_first_is_out_too(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    own = issued.child(ONE, bundle)
    thief = issued.child(ONE, own)
    neighbour = issued.child(TWO, bundle)
    told = spot("revoke", "acme/one", "--reason", "key-compromise")
    assert f"{own:x}" in told
    assert f"{thief:x}" in told
    assert spot.revoked() == {own, thief}
    spot("revoke", f"{bundle:x}")
    assert spot.revoked() == {bundle, own, thief, neighbour}


def test_what_waits_to_be_signed_dies_with_its_requester(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    waiting = request(ONE, 90)
    spot("revoke", "acme")
    with open_vault(spot.folder) as vault:
        asker = vault.ledger.entry(f"{bundle:x}")
        assert decide(waiting, asker, vault.ledger.entries(), now=NOW) == Refuse(Why.REVOKED)


def test_a_dry_run_lists_what_would_go_and_why(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    own = issued.child(ONE, bundle)
    done = spot.try_("revoke", f"{bundle:x}", "--dry-run", env={})
    rows = [line.split("  ") for line in done.stdout.splitlines() if "spiffe" in line]
    assert [[cell.strip() for cell in row if cell][2] for row in rows] == ["itself", "descends"]
    assert "these 2 certificates would be revoked" in done.stdout
    assert spot.revoked() == frozenset()
    document = json.loads(spot("revoke", f"{bundle:x}", "--json"))
    told = [
        (one["certificate"]["serial"], one["why"], one["certificate"]["parent"]) for one in document["certificates"]
    ]
    assert told == [(f"{bundle:x}", "itself", None), (f"{own:x}", "descends", f"{bundle:x}")]
    assert document["certificates"][0]["certificate"]["children"] == [f"{own:x}"]
    assert spot.revoked() == {bundle, own}
    again = json.loads(spot("revoke", f"{bundle:x}", "--json"))
    assert (again["already_revoked"], len(again["certificates"])) == (True, 1)


def test_a_server_goes_alone_and_its_successor_stays(spot: Spot) -> None:
    old = issue_server(spot)
    serial = certificate(old).serial_number
    old.rename(old.with_name("old.crt"))
    old.with_suffix(".key").unlink()
    issue_server(spot)
    assert "several certificates" in spot.refused(3, "revoke", "mirror-1")
    spot("revoke", f"{serial:x}")
    assert spot.revoked() == {serial}


def asked(spot: Spot, answer: str, *arguments: str) -> tuple[int, str]:
    """spot-ca on a terminal, at which somebody answers; its exit code, and what was shown."""
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from ca.cli import main; main()", "--dir", str(spot.folder), *arguments]
    environment = {**os.environ, **ENV}
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 4096):
                shown += part
                if shown.endswith(b"[y/N]: "):
                    os.write(ours, answer.encode() + b"\n")
        except OSError:  # the other side of the terminal was closed
            pass
    os.close(ours)
    return process.returncode, shown.decode()


@pytest.mark.slow
def test_on_a_terminal_several_are_asked_for_and_one_is_not(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    own = issued.child(ONE, bundle)
    code, shown = asked(spot, "n", "revoke", "acme")
    assert code == 1
    assert f"{own:x}" in shown
    assert "Revoke these 2 certificates?" in shown
    assert spot.revoked() == frozenset()
    code, shown = asked(spot, "n", "revoke", "acme", "--yes")
    assert (code, "?" in shown) == (0, False)
    assert spot.revoked() == {bundle, own}
    issue_client(spot, "globex")
    assert asked(spot, "n", "revoke", "globex")[0] == 0
    issue_client(spot, "hooli")
    serial = certificate(spot.folder / "issued/hooli.crt").serial_number
    issued.child(client("hooli", "one"), serial)
    assert asked(spot, "y", "revoke", "hooli")[0] == 0
    assert serial in spot.revoked()


def test_show_and_list_tell_parents_children_and_uses(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    own = issued.child(ONE, bundle)
    (first,) = json.loads(spot("show", f"{bundle:x}", "--json"))["certificates"]
    assert (first["parent"], first["children"], first["uses"]) == (None, [f"{own:x}"], None)
    (second,) = json.loads(spot("show", f"{own:x}", "--json"))["certificates"]
    assert (second["parent"], second["children"]) == (f"{bundle:x}", [])
    assert f"children  {own:x}" in spot("show", f"{bundle:x}")
    assert f"children  {own:x}" in spot("show", spot.folder / "issued/acme.crt")
    assert f"parent    {bundle:x}" in spot("show", f"{own:x}")
    assert spot("list").splitlines()[2].split()[6] == f"{bundle:x}"
    assert [one["parent"] for one in json.loads(spot("list", "--json"))] == [None, f"{bundle:x}"]


def codes(spot: Spot) -> list[str]:
    found = json.loads(spot.try_("check", "--json", env={}).stdout)["findings"]
    return [one["code"] for one in found if one["severity"] in ("warning", "problem")]


def test_two_good_keys_of_one_installation_are_told(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    own = issued.child(ONE, bundle)
    issued.child(TWO, bundle)
    assert codes(spot) == []
    issued.child(ONE, own)
    assert codes(spot) == ["two-live-keys"]
    spot("revoke", f"{own:x}", "--only")
    assert codes(spot) == []


def test_a_renewal_in_time_is_no_second_key(spot: Spot, issued: Issued) -> None:
    bundle = certificate(issue_client(spot)).serial_number
    old = issued.child(ONE, bundle, datetime.now(UTC) - timedelta(days=500))
    issued.child(ONE, old)
    assert codes(spot) == []
    issued.child(ONE, old)
    assert codes(spot) == ["two-live-keys"]


def test_customers_may_have_several_bundles(spot: Spot, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        spot("issue", "client", "acme", "--out", tmp_path / folder, "--key-type", "ecdsa-p256")
    assert codes(spot) == []
