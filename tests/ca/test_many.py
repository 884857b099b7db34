"""`bundle --from`: many customers in one go; stopped anywhere, the same command does the rest, and nobody twice."""

import itertools
import json
import shutil
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.x509 import load_pem_x509_certificate

from ca.bundle import check, decode
from ca.entry import Entry
from ca.ledger import Ledger
from tests.ca.spot_ca import ROOT_JSON, Spot, issue_server, tree
from tests.ca.test_killed import finish, start


@pytest.fixture
def vendor(spot: Spot, tmp_path: Path) -> list[str]:
    """The options of a bundle that are the same for all."""
    server = issue_server(spot)
    (tmp_path / "root.json").write_text(ROOT_JSON)
    options = ["--mirror", f"https://localhost={server}", "--catalogue-root", str(tmp_path / "root.json")]
    return [*options, "--key-type", "ecdsa-p256"]


@pytest.fixture
def many(vendor: list[str], tmp_path: Path) -> list[str]:
    return ["bundle", "--from", str(tmp_path / "list.csv"), "--out-dir", str(tmp_path / "out"), *vendor]


def entries(spot: Spot) -> list[Entry]:
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        return [entry for entry in ledger.entries() if entry.profile == "client"]


def document(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["bundles"]
    return found


def test_each_row_becomes_a_bundle_of_its_own(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer,file,key_type,days\nacme,,,\nglobex,g.bundle,rsa2048,30\n")
    told = spot(*many)
    assert "[1/2] acme: wrote " in told
    assert "Bundles written: 2, skipped: 0." in told
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == {"acme.bundle", "g.bundle"}
    assert out.stat().st_mode & 0o777 == 0o700
    lives = []
    for path, customer in ((out / "acme.bundle", "acme"), (out / "g.bundle", "globex")):
        assert path.stat().st_mode & 0o777 == 0o600
        bundle = decode(path.read_bytes())
        check(bundle)
        assert bundle.customer == customer
        certificate = load_pem_x509_certificate(bundle.client_certificate.encode())
        lives.append((certificate.not_valid_after_utc - certificate.not_valid_before_utc).days)
    assert lives == [730, 30]


def test_a_dry_run_shows_all_and_changes_nothing(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer\nacme\nglobex\n")
    before = tree(spot.folder)
    told = spot.try_(*many, "--dry-run", env={})
    assert told.exit_code == 0
    assert f"acme: would write {tmp_path / 'out/acme.bundle'}" in told.stdout
    assert "Bundles to write: 2, to skip: 0." in told.stdout
    assert [one["status"] for one in document(spot(*many, "--dry-run", "--json"))] == ["planned", "planned"]
    assert tree(spot.folder) == before
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_skipped_and_told(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer\nacme\n")
    spot(*many)
    before = tree(tmp_path / "out")
    (tmp_path / "list.csv").write_text("customer\nglobex\nacme\n")
    assert "acme: skipped" in spot(*many, "--dry-run")
    first, second = document(spot(*many, "--json"))
    assert (first["customer"], first["status"], first["there"]) == ("globex", "written", None)
    assert (second["status"], second["there"]["state"], second["certificate"]) == ("skipped", "valid", None)
    assert tree(tmp_path / "out").items() >= before.items()
    assert [entry.name for entry in entries(spot)] == ["acme", "globex"]
    spot("revoke", "acme")
    assert "REVOKED: move it away for a new one" in spot(*many)


def test_days_of_a_bundle_that_is_there_are_not_asked_again(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer,days\nacme,1824\n")
    spot(*many)
    waiting = tmp_path / "out/.acme.bundle.key"
    waiting.touch(mode=0o600)
    waiting.write_text(decode((tmp_path / "out/acme.bundle").read_bytes()).client_key)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=5)):
        assert document(spot(*many, "--dry-run", "--json"))[0]["status"] == "skipped"
        assert waiting.exists()
        assert document(spot(*many, "--json"))[0]["status"] == "skipped"
    assert not waiting.exists()


def test_a_certificate_from_before_is_told(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer\nacme\n")
    spot(*many)
    serial = entries(spot)[0].serial
    (tmp_path / "out/acme.bundle").unlink()
    assert f"acme has valid certificates from before, {serial}" in spot(*many)
    assert document(spot(*many, "--json"))[0]["earlier"] == [serial]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("customer\nacme\nGlobex\n", "'Globex' is not a valid customer"),
        ("customer\nacme\nacme\n", "stands twice"),
        ("customer,days\nacme,10\nglobex,5000\n", "5000 days are too long"),
        ("name\nacme\n", "'name' is not one of the columns"),
    ],
)
def test_one_bad_row_costs_no_certificate(spot: Spot, many: list[str], tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "list.csv").write_text(content)
    before = tree(spot.folder)
    assert told in spot.refused(3, *many)
    assert told in spot.refused(3, *many, "--dry-run")
    assert tree(spot.folder) == before
    assert not (tmp_path / "out").exists()


def test_something_else_under_a_bundles_name_is_refused(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer\nglobex\nacme\n")
    (tmp_path / "out").mkdir()
    other = tmp_path / "out/acme.bundle"
    other.write_text("not a bundle")
    assert "is no bundle" in spot.refused(3, *many)
    (tmp_path / "list.csv").write_text("customer\nglobex\n")
    spot(*many)
    shutil.copy(tmp_path / "out/globex.bundle", other)
    (tmp_path / "list.csv").write_text("customer\nacme\n")
    assert "is a bundle of globex" in spot.refused(3, *many)
    other.unlink()
    other.symlink_to("nowhere")
    assert "is no bundle" in spot.refused(3, *many)
    assert [entry.name for entry in entries(spot)] == ["globex"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["acme"],
        ["--out", "x"],
        ["--from", "x"],
        ["--out-dir", "x"],
        ["acme", "--out-dir", "x"],
        ["acme", "--out", "x", "--out-dir", "y"],
        ["acme", "--out", "x", "--from", "y"],
        ["acme", "--from", "x", "--out-dir", "y"],
        ["--from", "x", "--out", "y", "--out-dir", "z"],
    ],
)
def test_one_customer_or_a_list_but_not_both(spot: Spot, vendor: list[str], arguments: list[str]) -> None:
    assert "CUSTOMER and --out, or --from and --out-dir" in spot.refused(2, "bundle", *arguments, *vendor)


def test_one_bundle_has_days_and_a_dry_run_too(spot: Spot, vendor: list[str], tmp_path: Path) -> None:
    command = ["bundle", "acme", "--out", str(tmp_path / "acme.bundle"), *vendor]
    assert "Nothing was made." in spot(*command, "--dry-run")
    assert not (tmp_path / "acme.bundle").exists()
    assert "days at most" in spot.refused(3, *command, "--days", "7000")
    made = document(spot(*command, "--days", "10", "--json"))[0]
    assert (made["status"], made["certificate"]["days_left"]) == ("written", 9)
    assert "PRIVATE" not in json.dumps(made)
    assert "already" in spot.refused(3, *command)


def test_a_key_that_waits_for_its_bundle_is_taken_up_once(spot: Spot, vendor: list[str], tmp_path: Path) -> None:
    """As a run leaves it that was killed before the bundle, or right after it."""
    out = tmp_path / "acme.bundle"
    command = ["bundle", "acme", "--out", str(out), *vendor]
    spot(*command)
    waiting = tmp_path / ".acme.bundle.key"
    key = decode(out.read_bytes()).client_key
    waiting.touch(mode=0o600)
    waiting.write_text(key)
    assert "already" in spot.refused(3, *command, "--dry-run")
    assert waiting.exists()
    assert "already" in spot.refused(3, *command)
    assert not waiting.exists()
    out.rename(tmp_path / "first.bundle")
    waiting.touch(mode=0o600)
    waiting.write_text(key)
    assert document(spot(*command, "--json"))[0]["resumed"] is True
    assert out.read_bytes() == (tmp_path / "first.bundle").read_bytes()
    assert len(entries(spot)) == 1


def test_a_resumed_bundle_does_not_tell_of_its_own_certificate(spot: Spot, many: list[str], tmp_path: Path) -> None:
    """As a run leaves it that was killed between the ledger and the bundle."""
    (tmp_path / "list.csv").write_text("customer\nacme\n")
    out, waiting = tmp_path / "out/acme.bundle", tmp_path / "out/.acme.bundle.key"
    spot(*many)

    def kill() -> None:
        waiting.touch(mode=0o600)
        waiting.write_text(decode(out.read_bytes()).client_key)
        out.unlink()

    kill()
    told = spot(*many)
    assert "from before" not in told
    assert "issued by an earlier run" in told
    kill()
    made = document(spot(*many, "--json"))[0]
    assert (made["earlier"], made["resumed"], made["handed_back"]) == ([], True, True)
    out.rename(tmp_path / "first.bundle")
    spot(*many)
    first, second = (entry.serial for entry in entries(spot))
    kill()
    made = document(spot(*many, "--json"))[0]
    assert (made["certificate"]["serial"], made["earlier"]) == (second, [first])


def test_a_waiting_key_of_another_bundle_is_left_alone(spot: Spot, vendor: list[str], tmp_path: Path) -> None:
    command = ["bundle", "acme", "--out", str(tmp_path / "acme.bundle"), *vendor]
    spot(*command)
    (tmp_path / ".acme.bundle.key").write_text("another")
    spot.refused(3, *command)
    assert (tmp_path / ".acme.bundle.key").exists()


@pytest.mark.slow
def test_killed_at_any_step_the_same_command_does_the_rest(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer\nacme\nglobex\n")
    killed = 0
    for step in itertools.count(3, 3):
        copy = Spot(shutil.copytree(spot.folder, tmp_path / "each" / str(step) / "ca"))
        out = copy.folder.parent / "out"
        command = [*many[:4], str(out), *many[5:]]
        code, _, err = finish(start("--dir", copy.folder, *command, killed_at=step, folder=copy.folder.parent))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        killed += 1
        copy(*command)
        assert {path.name for path in out.iterdir()} == {"acme.bundle", "globex.bundle"}
        for path in out.iterdir():
            check(decode(path.read_bytes()))
        assert sorted(entry.name for entry in entries(copy)) == ["acme", "globex"]
    assert killed > 5


def test_a_bundle_for_enrolment_only_says_how_many_may(spot: Spot, vendor: list[str], tmp_path: Path) -> None:
    out = tmp_path / "acme.bundle"
    told = spot("bundle", "acme", "--out", out, *vendor, "--enrol-only", "--installations", "40", "--days", "20")
    assert "enrols  40 installations, and can do nothing else" in told
    bundle = decode(out.read_bytes())
    check(bundle)
    assert (bundle.customer, bundle.format) == ("acme", 1)
    certificate = load_pem_x509_certificate(bundle.client_certificate.encode())
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        entry = ledger.entry(f"{certificate.serial_number:x}")
    assert entry is not None
    assert (entry.profile, entry.who, entry.uses) == ("enrol", "spiffe://build.example.com/enrol/acme", 40)
    assert (entry.not_after - entry.not_before).days == 20
    (shown,) = json.loads(spot("show", entry.serial, "--json"))["certificates"]
    assert (shown["uses"], shown["used"], shown["parent"]) == (40, 0, None)
    assert "enrolled  0 of 40 installations" in spot("show", out)
    assert entry.serial in spot("bundle", "acme", "--out", tmp_path / "second.bundle", *vendor)


def test_each_row_may_say_how_many(spot: Spot, many: list[str], tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("customer,installations\nacme,\nglobex,7\n")
    told = spot(*many, "--enrol-only", "--installations", "3")
    assert ", enrols 3)" in told
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        assert [(one.name, one.uses) for one in ledger.entries() if one.profile == "enrol"] == [
            ("acme", 3),
            ("globex", 7),
        ]


def test_how_many_is_said_of_these_and_of_no_others(spot: Spot, many: list[str], tmp_path: Path) -> None:
    before = tree(spot.folder)
    (tmp_path / "list.csv").write_text("customer,installations\nacme,\nglobex,7\n")
    assert "The bundle of acme: Say how many" in spot.refused(3, *many, "--enrol-only")
    assert "The bundle of globex: Only what is made with --enrol-only" in spot.refused(3, *many)
    assert spot.try_(*many, "--enrol-only", "--installations", "0").exit_code == 2
    assert tree(spot.folder) == before


@pytest.mark.slow
def test_a_bundle_for_enrolment_that_was_interrupted_is_finished(spot: Spot, vendor: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out" / "acme.bundle"
    out.parent.mkdir()
    command = ["bundle", "acme", "--out", str(out), *vendor, "--enrol-only", "--installations", "5"]
    for step in itertools.count(1):
        code, _, err = finish(start("--dir", spot.folder, *command, killed_at=step, folder=out.parent))
        if code != -signal.SIGKILL:
            assert (code, err) == (0, "")
            break
        if not out.exists():
            spot(*command)
        out.unlink()
    with Ledger(spot.folder / "ledger.sqlite") as ledger:
        found = [one for one in ledger.entries() if one.profile == "enrol"]
    assert {one.uses for one in found} == {5}
    assert len(found) <= step
