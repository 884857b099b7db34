"""The site's own approval: what comes into use, both vendor and site allowed; whoever forges a list gains nothing."""

import os
import shutil
from itertools import count as steps
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spot_client import site as own
from spot_client import site_key
from spot_client.config import Paths, Settings
from spot_client.decide import site
from spot_client.decide.site import Approved, SiteList
from spot_client.errors import NotTrusted
from spot_client.site import Pen, Site
from spot_client.wire import document
from tests.ca.house import key_pem
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.installation import TOOL
from tests.spot_client.killing import killed
from tests.spot_client.vendor import make

PASSPHRASE = "correct horse"


@pytest.fixture
def guarded(enrolled: Desk) -> Desk:
    """An installation whose list is to be `site.json`, and 1.0 to 3.0 on offer."""
    enrolled.vendor.publish(TWO, "2.0")
    enrolled.vendor.publish({"run": b"three"}, "3.0")
    settings(enrolled, 'site_list = "site.json"')
    return enrolled


@pytest.fixture
def keyed(guarded: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """One whose list has to be signed; 1.0 stands there."""
    monkeypatch.setenv("SPOT_SITE_PASSPHRASE", PASSPHRASE)
    guarded.says("site-key", str(guarded.folder / "site.key"))
    settings(guarded, 'site_list = "site.json"', f'site_key = "{guarded.folder}/site.key.pub"')
    guarded.says("site-approve", TOOL, "1.0", *signing(guarded))
    return guarded


def settings(desk: Desk, *lines: str) -> None:
    (desk.root / "spot.toml").write_text("\n".join(lines))


def signing(desk: Desk, name: str = "site.key") -> tuple[str, str]:
    return "--key", str(desk.folder / name)


def list_of(desk: Desk) -> SiteList:
    return site.decode((desk.root / "site.json").read_bytes())


def reason(desk: Desk, *arguments: str, code: int) -> str:
    return str(desk.reads(*arguments, code=code)["error"]["reason"])


def put(desk: Desk, listed: SiteList) -> None:
    (desk.root / "site.json").write_bytes(document.encode(listed))


# What comes into use


def test_without_a_list_in_spot_toml_nothing_is_different(enrolled: Desk) -> None:
    (enrolled.root / "site.json").write_bytes(b"not even a list")
    enrolled.says("install", TOOL)
    assert enrolled.reads("check", TOOL)[0]["waiting"] == []


def test_only_what_the_site_allows_is_installed(guarded: Desk) -> None:
    desk = guarded
    assert desk.says("site-approve", TOOL, "1.0") == f"{desk.root}/site.json is now version 1, not signed: 1 release.\n"
    code, said = desk.fails("install", TOOL, "--version", "2.0")
    assert code == 6
    assert f"{TOOL} stays as it is: 2.0 is not on this site's list; " in said
    assert f"'spot site-approve {TOOL} 2.0' puts it there." in said
    assert reason(desk, "install", TOOL, "--version", "3.0", code=6) == "not-approved-here"
    desk.says("install", TOOL)
    assert desk.reads("list")[0]["version"] == "1.0"


def test_an_update_goes_to_the_newest_that_is_allowed_and_check_says_what_waits(guarded: Desk) -> None:
    desk = guarded
    desk.says("site-approve", TOOL, "1.0")
    desk.says("install", TOOL)
    said = desk.says("check")
    assert said == (
        f"{TOOL} 1.0: 1.0 is the newest on offer that may be installed: "
        f"3.0 is not on this site's list; 'spot site-approve {TOOL} 3.0' puts it there\n"
        "  waits for this site's approval: 2.0, 3.0\n"
    )
    assert desk.reads("check")[0]["waiting"] == ["2.0", "3.0"]
    assert "nothing to do" in desk.says("update")
    desk.says("site-approve", TOOL, "2.0")
    assert "update to 2.0" in desk.says("check")
    assert desk.reads("check")[0]["waiting"] == ["3.0"]
    desk.says("update")
    assert desk.reads("list")[0]["version"] == "2.0"
    assert desk.says("list", "--available").splitlines()[1].split()[:3] == [TOOL, "2.0", "2.0"]


def test_an_installation_of_nothing_allowed_is_a_refusal_and_an_update_to_it_is_none(guarded: Desk) -> None:
    desk = guarded
    settings(desk, "")
    desk.says("install", TOOL, "--version", "2.0")
    settings(desk, 'site_list = "site.json"')
    desk.vendor.publish(ONE, "1.0", component="sdk/other")
    desk.says("site-approve", "sdk/other", "1.0")
    assert reason(desk, "install", TOOL, "--version", "3.0", code=6) == "not-approved-here"
    assert "nothing to do" in desk.says("update")
    desk.says("verify")


def test_going_back_is_held_to_the_list(guarded: Desk) -> None:
    """A kept version is code as any other. What the site never allowed does not come into use by going back."""
    desk = guarded
    settings(desk, "keep = 3")
    for version in ("1.0", "2.0", "3.0"):
        desk.says("install", TOOL, "--version", version)
    settings(desk, "keep = 3", 'site_list = "site.json"')
    desk.says("site-approve", TOOL, "1.0", "3.0")
    desk.server.close()
    assert reason(desk, "rollback", TOOL, "--to", "2.0", code=6) == "not-approved-here"
    assert "2.0 is not on this site's list" in desk.fails("rollback", TOOL, "--to", "2.0")[1]
    assert desk("rollback", TOOL)[1].endswith(f"{TOOL} is now 1.0.\n")


def test_what_is_in_use_already_stays_and_is_repaired(guarded: Desk) -> None:
    desk = guarded
    desk.says("site-approve", TOOL, "1.0")
    desk.says("install", TOOL)
    desk.says("site-approve", TOOL, "1.0", "--remove")
    (desk.root / TOOL / "current/run").write_bytes(b"damaged")
    assert desk("verify", "--repair")[0] == 0
    assert desk("verify")[0] == 0
    assert "nothing to do" in desk.says("update")


def test_the_same_version_with_other_content_is_not_what_was_allowed(guarded: Desk) -> None:
    desk = guarded
    desk.says("site-approve", TOOL, "1.0")
    one = list_of(desk).approved[0]
    put(desk, site.make(2, [msgspec.structs.replace(one, manifest="0" * 64)]))
    assert "with other content; tell your vendor" in desk.fails("install", TOOL, "--version", "1.0")[1]
    assert reason(desk, "site-approve", TOOL, "1.0", code=3) == "changed-release"


# A list that cannot be believed


@pytest.mark.parametrize("command", [("install", TOOL), ("rollback", TOOL), ("list", "--available")])
def test_a_list_that_is_missing_allows_nothing(guarded: Desk, command: tuple[str, ...]) -> None:
    settings(guarded, "")
    guarded.says("install", TOOL, "--version", "1.0")
    guarded.says("install", TOOL, "--version", "2.0")
    settings(guarded, 'site_list = "site.json"')
    assert reason(guarded, *command, code=6) == "missing-site-list"


def test_what_needs_no_list_goes_on_without_one(guarded: Desk) -> None:
    for command in (("status",), ("verify",), ("thin-snapshot",), ("changes", TOOL), ("history",), ("list",)):
        assert guarded(*command)[0] == 0


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\0" * 99, b" " * (site.MAX_BYTES + 1)])
def test_a_list_that_is_none_allows_nothing(guarded: Desk, raw: bytes) -> None:
    (guarded.root / "site.json").write_bytes(raw)
    assert reason(guarded, "install", TOOL, code=3) == "bad-site-list"
    assert reason(guarded, "site-approve", TOOL, "1.0", code=3) == "bad-site-list"
    assert (guarded.root / "site.json").read_bytes() == raw


def test_a_pipe_is_not_waited_for(guarded: Desk) -> None:
    os.mkfifo(guarded.root / "site.json")
    assert reason(guarded, "install", TOOL, code=3) == "bad-site-list"


def test_a_list_has_to_be_signed_with_the_key_that_spot_toml_names(keyed: Desk) -> None:
    desk = keyed
    signed = list_of(desk)
    desk.says("site-key", str(desk.folder / "other.key"), "--unencrypted")
    stranger = site_key.read_private(desk.folder / "other.key", lambda: "")
    more = (*signed.approved, Approved(TOOL, "2.0", "any", "0" * 64))
    forged = site.make(9, more)
    for listed in (
        msgspec.structs.replace(signed, signature=None),
        msgspec.structs.replace(signed, version=2),
        msgspec.structs.replace(signed, approved=more),
        msgspec.structs.replace(signed, signature="0" * 128),
        msgspec.structs.replace(forged, signature=stranger.sign(site.signed_bytes(forged)).hex()),
        msgspec.structs.replace(forged, signature=stranger.sign(document.encode(forged)).hex()),
    ):
        put(desk, listed)
        assert reason(desk, "install", TOOL, code=3) == "bad-site-list"
        assert reason(desk, "site-approve", "--list", code=3) == "bad-site-list"
        assert reason(desk, "site-approve", TOOL, "2.0", *signing(desk), code=3) == "bad-site-list", "nor is it signed"
    put(desk, signed)
    desk.says("install", TOOL)


def test_an_older_list_does_not_come_back(keyed: Desk) -> None:
    """What was taken off it would come back with it, though it is signed."""
    desk = keyed
    older = desk.root / "older.json"
    shutil.copy(desk.root / "site.json", older)
    desk.says("site-approve", TOOL, "1.0", "--remove", *signing(desk))
    assert reason(desk, "install", TOOL, code=6) == "not-approved-here"
    shutil.copy(older, desk.root / "site.json")
    assert reason(desk, "install", TOOL, code=3) == "older-site-list"
    desk.says("site-approve", TOOL, "2.0", *signing(desk))
    assert list_of(desk).version == 3, "the next one goes on from the newest that was seen"


def test_another_key_of_the_site_begins_anew(keyed: Desk) -> None:
    desk = keyed
    desk.says("site-approve", TOOL, "2.0", *signing(desk))
    desk.says("check", TOOL)
    desk.says("site-key", str(desk.folder / "new.key"))
    settings(desk, 'site_list = "new.json"', f'site_key = "{desk.folder}/new.key.pub"')
    desk.says("site-approve", TOOL, "1.0", *signing(desk, "new.key"))
    assert desk.reads("site-approve", "--list")["version"] == 1
    desk.says("install", TOOL)


def test_a_damaged_floor_is_told_and_not_passed_over(keyed: Desk) -> None:
    keyed.says("check", TOOL)
    (keyed.root / ".spot/site-floor.json").write_bytes(b"{}")
    assert reason(keyed, "install", TOOL, code=8) == "bad-state"


def test_a_key_that_cannot_be_used_allows_nothing(keyed: Desk) -> None:
    for content in (b"", b"no key", site_key.plain_pem(site_key.new())):
        (keyed.folder / "site.key.pub").write_bytes(content)
        assert reason(keyed, "install", TOOL, code=6) == "bad-site-key"
    (keyed.folder / "site.key.pub").unlink()
    assert reason(keyed, "install", TOOL, code=6) == "bad-site-key"
    settings(keyed, f'site_key = "{keyed.folder}/site.key.pub"')
    assert reason(keyed, "install", TOOL, code=6) == "bad-config"


def test_a_list_serves_many_installations_of_the_site_and_needs_no_network(keyed: Desk) -> None:
    desk = keyed
    desk.says("install", TOOL)
    there = desk.folder / "there"
    shutil.copytree(desk.root, there, symlinks=True)
    (there / ".spot/site-floor.json").unlink()
    desk.says("site-approve", TOOL, "2.0", *signing(desk))
    shutil.copy(desk.root / "site.json", there / "site.json")
    desk.root = there
    desk.says("update")
    desk.server.close()
    assert [one["version"] for one in desk.reads("site-approve", "--list")["approved"]] == ["1.0", "2.0"]
    assert desk("rollback", TOOL)[0] == 0


# Who writes it


def test_approving_names_what_is_on_offer_here_with_its_content(guarded: Desk) -> None:
    desk = guarded
    made = desk.vendor.publish({"run": b"here"}, "4.0", platform="linux-x86_64")
    desk.vendor.publish({"run": b"there"}, "4.0", platform="macos-arm64")
    found = desk.reads("site-approve", TOOL, "4.0", "--platform", "linux-x86_64")
    assert found == {
        "path": f"{desk.root}/site.json",
        "version": 1,
        "signed": False,
        "approved": [
            {"component": TOOL, "version": "4.0", "platform": "linux-x86_64", "manifest": made.seal.head},
        ],
    }
    desk.says("site-approve", TOOL, "4.0", "--platform", "macos-arm64")
    desk.says("site-approve", TOOL, "--all-offered", "--platform", "linux-x86_64")
    assert [(one.version, one.platform) for one in list_of(desk).approved] == [
        ("1.0", "any"),
        ("2.0", "any"),
        ("3.0", "any"),
        ("4.0", "linux-x86_64"),
        ("4.0", "macos-arm64"),
    ]
    assert (desk.root / "site.json").stat().st_mode & 0o777 == 0o644


def test_what_is_not_on_offer_is_not_approved(guarded: Desk) -> None:
    desk = guarded
    desk.vendor.publish(ONE, "5.0", channels=("beta",))
    desk.vendor.publish(ONE, "6.0")
    desk.vendor.withdraw("6.0")
    for version in ("5.0", "6.0", "7.0"):
        assert reason(desk, "site-approve", TOOL, "1.0", version, code=6) == "not-on-offer"
    assert reason(desk, "site-approve", TOOL, "--all-offered", "--platform", "amiga", code=6) == "bad-platform"
    assert reason(desk, "site-approve", "sdk/none", "--all-offered", code=5) == "not-licensed"
    assert reason(desk, "site-approve", TOOL, "new", code=6) == "bad-name"
    assert reason(desk, "site-approve", "house/x", "1.0", code=6) == "reserved-name"
    assert not (desk.root / "site.json").exists()


def test_the_version_counts_changes_and_nothing_else(guarded: Desk) -> None:
    desk = guarded
    desk.says("site-approve", TOOL, "1.0", "2.0")
    before = (desk.root / "site.json").read_bytes()
    assert desk.says("site-approve", TOOL, "1.00").startswith("Nothing to do: ")
    assert desk.says("site-approve", TOOL, "9.0", "--remove").startswith("Nothing to do: ")
    assert desk.says("site-approve", TOOL, "1.0", "--remove", "--platform", "linux-x86_64").startswith("Nothing")
    assert (desk.root / "site.json").read_bytes() == before
    desk.says("site-approve", TOOL, "1.0", "--remove")
    assert (list_of(desk).version, [one.version for one in list_of(desk).approved]) == (2, ["2.0"])
    assert desk.says("site-approve", "--list").splitlines()[1].split()[:3] == [TOOL, "2.0", "any"]


def test_taking_off_and_showing_need_no_network(guarded: Desk) -> None:
    guarded.says("site-approve", TOOL, "1.0")
    guarded.server.close()
    guarded.says("site-approve", TOOL, "1.0", "--remove")
    assert "Nothing is on the list" in guarded.says("site-approve", "--list")


def test_another_list_can_be_named(guarded: Desk) -> None:
    other = guarded.folder / "other.json"
    guarded.says("site-approve", TOOL, "1.0", "--out", str(other))
    assert not (guarded.root / "site.json").exists()
    assert guarded.reads("site-approve", "--list", "--out", str(other))["path"] == str(other)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (TOOL,),
        (TOOL, "--remove"),
        (TOOL, "--list"),
        ("--all-offered",),
        ("--remove",),
        ("--list", "--remove"),
        (TOOL, "1.0", "--all-offered"),
        (TOOL, "1.0", "--list"),
        (TOOL, "--all-offered", "--remove"),
    ],
)
def test_a_command_line_that_says_too_little_or_too_much_is_refused(guarded: Desk, arguments: tuple[str, ...]) -> None:
    assert guarded("site-approve", *arguments)[0] == 2


def test_without_a_list_in_spot_toml_one_has_to_be_named(enrolled: Desk) -> None:
    code, _, err = enrolled("site-approve", TOOL, "1.0")
    assert (code, "--out" in err) == (2, True)


def test_what_is_to_be_signed_is_signed(keyed: Desk) -> None:
    desk = keyed
    assert list_of(desk).signature is not None
    assert reason(desk, "site-approve", TOOL, "2.0", code=6) == "no-site-key"
    desk.says("site-key", str(desk.folder / "other.key"), "--unencrypted")
    assert reason(desk, "site-approve", TOOL, "2.0", *signing(desk, "other.key"), code=6) == "other-site-key"
    settings(desk, 'site_list = "site.json"')
    assert reason(desk, "site-approve", TOOL, "2.0", code=6) == "no-site-key"
    assert len(list_of(desk).approved) == 1


def test_entries_that_nobody_signed_are_not_signed_with_the_next_change(keyed: Desk) -> None:
    desk = keyed
    settings(desk, 'site_list = "site.json"')  # where lists are written, spot.toml need not name the key
    put(desk, site.make(8, [Approved(TOOL, "3.0", "any", "0" * 64)]))
    assert reason(desk, "site-approve", TOOL, "1.0", *signing(desk), code=3) == "bad-site-list"


# The key


def test_a_key_is_encrypted_and_its_owners_alone(keyed: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = keyed
    private = desk.folder / "site.key"
    assert private.stat().st_mode & 0o777 == 0o600
    assert (desk.folder / "site.key.pub").stat().st_mode & 0o777 == 0o644
    assert private.read_bytes().startswith(b"spot-site-key: scrypt n=131072 r=8 p=1 salt=")
    assert b"ENCRYPTED" in private.read_bytes()
    monkeypatch.setenv("SPOT_SITE_PASSPHRASE", "wrong horse")
    assert reason(desk, "site-approve", TOOL, "2.0", *signing(desk), code=6) == "wrong-passphrase"
    monkeypatch.delenv("SPOT_SITE_PASSPHRASE")
    assert reason(desk, "site-approve", TOOL, "2.0", *signing(desk), code=6) == "no-passphrase"
    secret = desk.folder / "secret"
    secret.write_text(f"{PASSPHRASE}\n")
    secret.chmod(0o600)
    desk.says("site-approve", TOOL, "2.0", *signing(desk), "--passphrase-file", str(secret))


def test_a_key_without_a_passphrase_is_made_only_where_somebody_says_so(
    guarded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = guarded
    monkeypatch.delenv("SPOT_SITE_PASSPHRASE", raising=False)
    assert desk.fails("site-key", str(desk.folder / "k"))[0] == 6
    assert not list(desk.folder.glob("k*"))
    monkeypatch.setenv("SPOT_SITE_PASSPHRASE", "short")
    assert "too short" in desk.fails("site-key", str(desk.folder / "k"))[1]
    desk.says("site-key", str(desk.folder / "k"), "--unencrypted")
    desk.says("site-approve", TOOL, "1.0", *signing(desk, "k"))
    (desk.folder / "k").chmod(0o640)
    assert reason(desk, "site-approve", TOOL, "2.0", *signing(desk, "k"), code=6) == "bad-site-key"


@pytest.mark.parametrize("name", ["site.key", "site.key.pub"])
def test_a_key_that_is_there_is_never_replaced(keyed: Desk, name: str) -> None:
    before = (keyed.folder / name).read_bytes()
    (keyed.folder / ({"site.key": "site.key.pub"}.get(name, "site.key"))).unlink()
    code, said = keyed.fails("site-key", str(keyed.folder / "site.key"))
    assert code == 6
    assert "is there already" in said
    assert (keyed.folder / name).read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no key", b"\xff" * 9000])
def test_a_private_key_that_is_none_is_told(keyed: Desk, content: bytes) -> None:
    (keyed.folder / "site.key").write_bytes(content)
    assert reason(keyed, "site-approve", TOOL, "2.0", *signing(keyed), code=6) == "bad-site-key"


def test_a_key_of_another_kind_is_told(keyed: Desk) -> None:
    (keyed.folder / "site.key").write_bytes(key_pem(keyed.house.client.key))
    assert reason(keyed, "site-approve", TOOL, "2.0", *signing(keyed), code=6) == "bad-site-key"


# Killed


@pytest.mark.slow
def test_killed_before_any_change_to_a_file_the_list_is_the_old_or_the_new_and_the_floor_never_higher(
    tmp_path: Path,
) -> None:
    key = site_key.new()
    seal = make({"x": b"1"}).seal
    reached = set()
    for step in steps(1):
        paths = Paths(tmp_path / f"root-{step}")
        paths.own.mkdir(parents=True)
        (paths.root / "key.pub").write_bytes(site_key.public_pem(key.public_key()))
        chosen = Settings(site_list="site.json", site_key="key.pub")
        one, two = (Approved(TOOL, version, "any", seal.head) for version in ("1.0", "2.0"))
        pen(paths, chosen, key).change(lambda _: [one])  # noqa: B023  at once
        Site(paths, chosen).rule()

        def work() -> None:
            pen(paths, chosen, key).change(lambda approved: [*approved, two])  # noqa: B023
            Site(paths, chosen).rule()  # noqa: B023

        was_killed = killed(work, paths.root, step)
        listed = own.read(paths.root / "site.json", key.public_key())
        reached.add(listed.version)
        Site(paths, chosen).rule()
        listed, _ = pen(paths, chosen, key).change(lambda _: [one, two])  # noqa: B023
        assert (listed.version, len(listed.approved)) == (2, 2)
        Site(paths, chosen).rule()
        if not was_killed:
            break
    assert reached == {1, 2}
    assert step > 4


def pen(paths: Paths, chosen: Settings, key: Ed25519PrivateKey) -> Pen:
    return Pen(Site(paths, chosen), paths.root / "site.json", key)


def test_no_bit_of_a_signed_list_can_be_turned(keyed: Desk) -> None:
    public = site_key.read_public(keyed.folder / "site.key.pub")
    raw = bytearray((keyed.root / "site.json").read_bytes())
    for position in range(len(raw)):
        spoiled = bytes(raw[:position]) + bytes([raw[position] ^ 1]) + bytes(raw[position + 1 :])
        (keyed.root / "spoiled.json").write_bytes(spoiled)
        with pytest.raises(NotTrusted):
            own.read(keyed.root / "spoiled.json", public)
