"""`spot-ca rotate`: successors of the issuing CA and of the root, and what goes on under those before."""

import itertools
import json
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from ca.authorities import names
from ca.ledger import Ledger
from ca.revocation import read_crl
from ca.vault import subject_key
from tests.ca.spot_ca import PASSPHRASE, Spot, certificate, issue_client, issue_server, tree
from tests.ca.test_killed import finish, start

UNCHECKED = ("rotate", "activate", "--unchecked")


def key_of(spot: Spot, name: str) -> str:
    return subject_key(certificate(spot.folder / f"{name}.crt"))


def issuer_of(path: Path) -> bytes:
    return certificate(path).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""


def former(spot: Spot, key: str) -> str:
    return f"issuing-{key[:8]}"


def serials(spot: Spot, name: str) -> frozenset[int]:
    """What the list of a CA revokes; it is a good one."""
    raw = (spot.folder / f"crl/{name}.crl").read_bytes()
    issuer = certificate(spot.folder / f"{name}.crt")
    return read_crl(raw, issuer, now=datetime.now(UTC), previous=None).serials


def found(spot: Spot) -> dict[str, dict[str, Any]]:
    """What check finds, by its code."""
    findings = json.loads(spot.try_("check", "--json").stdout)["findings"]
    return {one["code"]: one for one in findings}


def test_a_successor_signs_nothing_before_it_is_activated(spot: Spot) -> None:
    before = key_of(spot, "issuing")
    out = spot("rotate", "issuing")
    assert "issuing-next.crt" in out
    assert f"Take {spot.folder / 'root.key'} offline." in out
    assert issuer_of(issue_client(spot)).hex() == before
    certificate(spot.folder / "issuing-next.crt").verify_directly_issued_by(certificate(spot.folder / "root.crt"))
    assert serials(spot, "issuing-next") == frozenset()
    assert found(spot)["successor-waits"]["severity"] == "advice"
    (spot.folder / "root.key").unlink()
    assert json.loads(spot("rotate", "issuing", "--json"))["made"] is False


def test_from_then_on_it_signs_all_leaves_and_the_one_before_its_own_list_alone(spot: Spot) -> None:
    old = key_of(spot, "issuing")
    early = certificate(issue_client(spot, "early"))
    spot("rotate", "issuing")
    new = key_of(spot, "issuing-next")
    told = json.loads(spot(*UNCHECKED, "--json"))
    (one,) = told["former"]
    assert (told["activated"], one["name"], one["certificates"]) == (True, former(spot, old), 1)
    assert (key_of(spot, "issuing"), key_of(spot, former(spot, old))) == (new, old)
    assert issuer_of(issue_client(spot, "late")).hex() == new
    assert names(spot.folder) == ("root", "issuing", former(spot, old))
    assert {path.name for path in spot.folder.glob("*.key")} == {"root.key", "issuing.key", f"{former(spot, old)}.key"}
    assert {path.name for path in (spot.folder / "crl").iterdir()} == {
        "root.crl",
        "issuing.crl",
        f"{former(spot, old)}.crl",
    }
    assert (spot.folder / f"{former(spot, old)}.key").stat().st_mode & 0o777 == 0o600

    # Each is revoked by the CA that issued it.
    spot("revoke", "early")
    assert serials(spot, former(spot, old)) == {early.serial_number}
    assert serials(spot, "issuing") == frozenset()
    late = certificate(spot.folder / "issued/late.crt")
    told = json.loads(spot("revoke", "late", "--json"))
    assert (told["crl"]["revoked"], told["others"]) == (1, [])
    assert serials(spot, "issuing") == {late.serial_number}


def test_the_lists_of_all_are_signed_and_believed(spot: Spot) -> None:
    old = key_of(spot, "issuing")
    issue_client(spot)
    spot("rotate", "issuing")
    spot(*UNCHECKED)
    spot("rotate", "issuing")
    told = json.loads(spot("crl", "--json"))
    assert [Path(one["path"]).name for one in told["others"]] == [f"{former(spot, old)}.crl", "issuing-next.crl"]
    for name in ("issuing", "issuing-next", former(spot, old)):
        assert "good" in spot("show", spot.folder / f"crl/{name}.crl")
        (shown,) = json.loads(spot("show", "--json", spot.folder / f"{name}.crt"))["certificates"]
        assert shown["name"] == "issuing"
    listed = json.loads(spot("list", "--all", "--profile", "issuing", "--json"))
    assert {Path(one["file"]).stem for one in listed} == {"issuing", "issuing-next", former(spot, old)}


def test_a_key_that_is_gone_keeps_the_list_of_the_one_in_use_from_nobody(spot: Spot) -> None:
    old = key_of(spot, "issuing")
    issue_client(spot)
    spot("rotate", "issuing")
    spot(*UNCHECKED)
    (spot.folder / f"{former(spot, old)}.key").unlink()
    done = spot.try_("crl")
    assert done.exit_code == 5
    assert f"Signed {spot.folder / 'crl/issuing.crl'}" in done.stdout
    assert f"{former(spot, old)}.key" in done.stderr
    late = certificate(issue_client(spot, "acme-2")).serial_number
    assert spot.try_("revoke", "acme").exit_code == 5
    assert json.loads(spot("show", "acme", "--json"))["certificates"][0]["state"] == "revoked"
    spot("revoke", "acme-2")
    assert serials(spot, "issuing") == {late}


def test_check_tells_whom_the_one_before_still_lets_in(spot: Spot) -> None:
    old = key_of(spot, "issuing")
    issue_server(spot)
    end = certificate(issue_client(spot)).not_valid_after_utc
    spot("rotate", "issuing")
    spot(*UNCHECKED)
    retiring = found(spot)["retiring"]
    assert retiring["what"].startswith(f"{former(spot, old)}.crt is no longer in use, and 1 of its certificates")
    assert f"{end:%Y-%m-%d}" in retiring["what"]
    spot("revoke", "acme")
    assert "retired" in found(spot)
    (spot.folder / f"{former(spot, old)}.key").unlink()
    assert not {"retired", "retiring", "missing-file"} & set(found(spot))


def test_a_key_is_missed_until_nobody_can_renew_with_the_last_leaf(spot: Spot) -> None:
    old = key_of(spot, "issuing")
    issue_client(spot)
    spot("rotate", "issuing")
    spot(*UNCHECKED)

    def ended(ago: timedelta) -> None:
        with Ledger(spot.folder / "ledger.sqlite") as ledger:
            end = int((datetime.now(UTC) - ago).timestamp())
            ledger._db.execute("update certificates set not_after = ? where profile = 'client'", [end])
            ledger._db.conn.commit()

    ended(timedelta(days=31))  # mirrors that were not told yet are served with lists
    assert [Path(one["path"]).stem for one in json.loads(spot("crl", "--json"))["others"]] == [former(spot, old)]
    (spot.folder / f"{former(spot, old)}.key").unlink()
    assert json.loads(spot("crl", "--json"))["others"] == []
    ended(timedelta(days=29))
    assert spot.try_("crl").exit_code == 5


def test_a_new_root_comes_with_an_issuing_ca_and_without_the_old_key(spot: Spot) -> None:
    old_root, old = key_of(spot, "root"), key_of(spot, "issuing")
    issue_client(spot)
    (spot.folder / "root.key").unlink()
    out = spot("rotate", "root")
    assert f"Take {spot.folder / 'root-next.key'} offline." in out
    certificate(spot.folder / "issuing-next.crt").verify_directly_issued_by(certificate(spot.folder / "root-next.crt"))
    shutil.move(spot.folder / "root-next.key", spot.folder.parent)  # offline at once
    spot(*UNCHECKED)
    certificate(spot.folder / "issuing.crt").verify_directly_issued_by(certificate(spot.folder / "root.crt"))
    assert names(spot.folder) == ("root", "issuing", former(spot, old), f"root-{old_root[:8]}")
    assert serials(spot, "root") == frozenset()
    assert not {one["code"] for one in found(spot).values() if one["severity"] == "problem"}


def test_the_kind_of_key_is_that_of_the_one_before(spot: Spot) -> None:
    spot("rotate", "root")
    (one, *_) = json.loads(spot("rotate", "root", "--json"))["successors"]
    assert one["key"] == "ecdsa-p256"


def test_what_cannot_be_is_refused_before_anybody_is_asked(spot: Spot) -> None:
    before = tree(spot.folder)
    assert "no successor" in spot.refused(3, *UNCHECKED)
    assert "No mirror is named" in spot.refused(3, "rotate", "activate", env={})
    assert "would be made" in spot("rotate", "issuing", "--dry-run")
    assert "no successor" in spot(*UNCHECKED, "--dry-run")
    (spot.folder / "root.key").rename(spot.folder.parent / "root.key")
    assert "its key is not here" in spot.refused(3, "rotate", "issuing", env={})
    (spot.folder.parent / "root.key").rename(spot.folder / "root.key")
    assert tree(spot.folder) == before
    spot("rotate", "issuing")
    assert "under way" in spot.refused(3, "rotate", "root", env={})
    for path in (*spot.folder.glob("*-next.*"), *(spot.folder / "crl").glob("*-next.*")):
        path.unlink()
    spot("rotate", "root")
    assert "under way" in spot.refused(3, "rotate", "issuing", env={})
    spot(*UNCHECKED, "--dry-run")
    assert spot.try_(*UNCHECKED, env={"SPOT_CA_PASSPHRASE": "another one"}).exit_code == 4
    assert (spot.folder / "issuing-next.crt").exists()


def test_after_a_restore_the_lists_of_all_are_taken_over(spot: Spot, tmp_path: Path) -> None:
    old = key_of(spot, "issuing")
    early = certificate(issue_client(spot, "early")).serial_number
    spot("rotate", "issuing")
    spot(*UNCHECKED)
    spot("backup", tmp_path / "ca.backup")
    late = certificate(issue_client(spot, "late")).serial_number
    for name in ("early", "late"):
        spot("revoke", name)
    for name in ("issuing", former(spot, old)):
        shutil.copy(spot.folder / f"crl/{name}.crl", tmp_path / f"{name}.crl")
    again = Spot(tmp_path / "again")
    said = again("restore", tmp_path / "ca.backup", "--crl", tmp_path / "issuing.crl")
    assert f"newest lists of {former(spot, old)}, too" in said
    again("crl", "--take-over", tmp_path / f"{former(spot, old)}.crl")
    assert serials(again, "issuing") == frozenset([late])
    assert serials(again, former(spot, old)) == frozenset([early])
    again("revoke", "abc0", "--unknown")  # by whom it was issued is lost
    assert serials(again, "issuing") & serials(again, former(spot, old)) == {0xABC0}
    assert again("adopt", spot.folder / "issued/late.crt", spot.folder / "issued/early.crt")


def test_a_key_that_lies_elsewhere_stays_there(spot: Spot, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    (spot.folder / "issuing.key").rename(stick / "signer.key")
    env = {"SPOT_CA_PASSPHRASE": PASSPHRASE, "SPOT_CA_ISSUING_KEY": f"file:{stick}/signer.key"}
    old = key_of(spot, "issuing")
    issued = ("issue", "client", "acme", "--key-type", "ecdsa-p256")
    for command in (issued, ("rotate", "issuing"), UNCHECKED, ("crl",), ("revoke", "acme")):
        done = spot.try_(*command, env=env)
        assert done.exit_code == 0, done.output
    assert {path.name for path in stick.iterdir()} == {"signer.key", f"signer-{old[:8]}.key"}
    assert not [*spot.folder.glob("issuing*.key")]


def test_a_server_gets_its_next_certificate_for_the_key_that_it_has(spot: Spot) -> None:
    before = certificate(issue_server(spot))
    (spot.folder / "issued/mirror-1.key").unlink()  # it is where the mirror is
    told = json.loads(spot("issue", "server", "mirror-1", "--renew", "--days", "9", "--json"))
    after = certificate(Path(told["certificate_path"]))
    assert (told["key_path"], Path(told["certificate_path"]).name) == (None, "mirror-1.next.crt")
    assert after.public_key() == before.public_key()
    assert after != before
    names_of = [one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for one in (before, after)]
    assert names_of[0] == names_of[1]
    assert "is there already" in spot.refused(3, "issue", "server", "mirror-1", "--renew")
    assert "no server certificate" in spot.refused(3, "issue", "server", "mirror-2", "--renew")
    assert "--dns" in spot.refused(2, "issue", "server", "mirror-1", "--renew", "--dns", "localhost")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["issuing", "root"])
def test_rotate_killed_at_any_step_is_finished_by_the_next_run(spot: Spot, tmp_path: Path, kind: str) -> None:
    issue_client(spot)
    old = key_of(spot, "issuing")
    for step in itertools.count(1, 5):
        copy = Spot(shutil.copytree(spot.folder, tmp_path / f"{step}"))
        code, _, err = finish(start("--dir", copy.folder, "rotate", kind, killed_at=step, folder=copy.folder))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        copy("crl")
        assert issuer_of(issue_client(copy, "meanwhile")).hex() == old
        copy("rotate", kind)
        check_whole(copy, rows=4 if kind == "root" else 3)
    assert step > 20


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["issuing", "root"])
def test_activate_killed_at_any_step_is_finished_by_the_next_run(spot: Spot, tmp_path: Path, kind: str) -> None:
    serial = certificate(issue_client(spot)).serial_number
    old = key_of(spot, "issuing")
    spot("rotate", kind)
    new = key_of(spot, "issuing-next")
    for step in itertools.count(1, 3):
        copy = Spot(shutil.copytree(spot.folder, tmp_path / f"{step}"))
        code, _, err = finish(start("--dir", copy.folder, *UNCHECKED, killed_at=step, folder=copy.folder))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        if step % 2 == 1:  # what the timers do meanwhile
            copy("crl")
            assert issuer_of(issue_client(copy, "meanwhile")).hex() == key_of(copy, "issuing")
        done = copy.try_(*UNCHECKED)
        assert done.exit_code == 0 or "no successor" in done.stderr, done.output
        copy("revoke", "acme")
        assert key_of(copy, "issuing") == new
        assert serials(copy, former(copy, old)) == frozenset([serial])
        assert serials(copy, "issuing") == frozenset()
        for path in (copy.folder / "issued").iterdir():
            path.unlink()  # check tells of what is revoked and lies there
        check_whole(copy, rows=4 if kind == "root" else 3)
    assert step > 20


def check_whole(spot: Spot, *, rows: int) -> None:
    """Nothing is left over, each CA stands in the ledger once, and check finds nothing that is wrong."""
    listed = json.loads(spot("list", "--all", "--json"))
    assert len([one for one in listed if one["profile"] in {"root", "issuing"}]) == rows
    assert not list(spot.folder.rglob("*.part"))
    assert spot("check", "--quiet") == ""
