"""The commands init, publish, releases and resign, as a person runs them."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mirror import catalogue, cli, config
from mirror.cli import init as init_module
from mirror.cli.progress import size
from mirror.records.sqlite import FILE_NAME, open_records
from tests.mirror.cli.shell import PASSPHRASE, Shell
from tests.mirror.publishing import tarring
from tests.mirror.publishing.rig import folder_of


def test_init_makes_configuration_keys_store_and_catalogue(shell: Shell) -> None:
    result = shell.done("init", "--development", "--realm", "build.example.com")
    loaded = config.load(shell.folder / "mirror.toml")
    assert loaded.realm == "build.example.com"
    assert loaded.content is not None
    assert loaded.content.listen == ("127.0.0.1:8443",)
    assert catalogue.load(loaded.data_dir / "catalogue").current == dict.fromkeys(
        ("root", "timestamp", "snapshot", "targets", "halts", "house"), 1
    )
    records = open_records(loaded.data_dir / FILE_NAME)
    assert records.customers() == []
    records.close()
    assert str(shell.folder / "data/catalogue/1.root.json") in result.out
    assert {path.name for path in shell.folder.iterdir()} == {"source", "mirror.toml", "data", "keys"}
    for folder in ("data", "keys"):
        assert (shell.folder / folder).stat().st_mode & 0o777 == 0o700


def test_init_writes_what_it_was_told(shell: Shell) -> None:
    places = ("--data", "d", "--keys", "k/k", "--config", 'e/x "y".toml', "--listen", "[::1]:1", "--listen", "h:2")
    files = ("--certificate", "a.crt", "--key", "a.key", "--issuing-ca", "i.crt", "--crl", "1.crl", "--crl", "2.crl")
    shell.done("init", "--development", "--realm", "build.example.com", *places, *files)
    loaded = config.load(shell.folder / 'e/x "y".toml')
    assert loaded.content is not None
    assert loaded.content.listen == ("[::1]:1", "h:2")
    assert loaded.content.crls == (str(shell.folder / "e/1.crl"), str(shell.folder / "e/2.crl"))
    assert (loaded.data_dir, loaded.publishing.keys) == (shell.folder / "e/d", str(shell.folder / "e/k/k"))
    assert (loaded.data_dir / "catalogue/timestamp.json").exists()


@pytest.mark.parametrize("name", ["mirror.toml", "data", "keys"])
def test_init_replaces_nothing(shell: Shell, name: str) -> None:
    (shell.folder / name).write_bytes(b"")
    result = shell("init", "--development", "--realm", "build.example.com")
    assert result.code == 5
    assert name in result.err
    assert {path.name for path in shell.folder.iterdir()} == {"source", name}


@pytest.mark.parametrize(
    ("arguments", "passphrase", "code"),
    [
        (("--realm", "Not A Realm"), PASSPHRASE, 3),
        (("--realm", "build.example.com", "--listen", "nowhere"), PASSPHRASE, 5),
        (("--realm", "build.example.com"), None, 4),
        (("--realm", "build.example.com"), "short", 4),
        ((), PASSPHRASE, 2),
    ],
)
def test_init_that_is_refused_leaves_nothing(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], passphrase: str | None, code: int
) -> None:
    if passphrase is None:
        monkeypatch.delenv("SPOT_MIRROR_PASSPHRASE")
    else:
        monkeypatch.setenv("SPOT_MIRROR_PASSPHRASE", passphrase)
    assert shell("init", "--development", *arguments).code == code
    assert {path.name for path in shell.folder.iterdir()} == {"source"}


def test_init_that_fails_at_its_last_step_leaves_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_folder: Path) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(init_module, "sync_folder", fail)
    result = shell("init", "--development", "--realm", "build.example.com")
    assert (result.code, result.err) == (1, "spot-mirror: the disk is gone\n")
    assert {path.name for path in shell.folder.iterdir()} == {"source"}


def test_what_a_killed_init_left_does_not_hinder_the_next(shell: Shell) -> None:
    folder_of(shell.folder, {".data.init/x": b"1", ".keys.init/x": b"1", ".mirror.toml.init": b"1"})
    shell.done("init", "--development", "--realm", "build.example.com")
    assert {path.name for path in shell.folder.iterdir()} == {"source", "mirror.toml", "data", "keys"}


def good_until(made: Shell) -> str:
    expires = catalogue.load(made.folder / "data/catalogue").expires["timestamp"]
    until = f"{expires:%Y-%m-%d %H:%M:%S}Z"
    return f"catalogue good until {until} (timestamp), signed anew by spot-mirror catalogue-timer, or resign"


def test_publish_says_what_is_visible_now(made: Shell) -> None:
    result = made.done("publish", "sdk/tool", "1.0", "source", "--level", "1")
    lines = result.out.splitlines()
    assert lines[0] == "sdk/tool 1.0 (any): published."
    assert lines[1] == "  read as   folder"
    assert lines[2].startswith("  content   2 files, 4.9 KiB, pack ")
    assert re.fullmatch("  manifest  [0-9a-f]{64}", lines[3])
    assert lines[4:] == ["  channels  stable", "  catalogue version 2", f"  {good_until(made)}"]
    assert result.err.splitlines() == ["Reading 4.9 KiB ...", "Packing 4.9 KiB ..."]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("source", (), "folder"),
        ("x.tar.gz", (), "tar archive: what is in it is the release (--opaque takes the file itself)"),
        ("x.tar.gz", ("--opaque",), "one file, as it is"),
        ("source/bin/tool", (), "one file, as it is"),
    ],
)
def test_publish_says_what_the_source_was_read_as(made: Shell, name: str, options: tuple[str, ...], said: str) -> None:
    tarring.write(made.folder, tarring.honest({"a": b"1"}), "tar.gz")
    result = made.done("publish", "sdk/tool", "1.0", name, "--dry-run", *options)
    assert result.out.splitlines()[1] == f"  read as   {said}"


def test_publish_says_how_many_files_are_of_which_kind(made: Shell) -> None:
    kinds = ("--config", "lib/", "--config", "!*.txt", "--state", "*.txt")
    folder_of(made.folder / "source", {"lib/b": b"1", "lib/c": b"2"})
    result = made.done("publish", "sdk/tool", "1.0", "source", *kinds, "--level", "1")
    assert "  kinds     config: 2 files, state: 1 file" in result.out.splitlines()


def test_publishing_again_is_no_error_and_other_content_is_a_refusal(made: Shell) -> None:
    made.done("publish", "sdk/tool", "1.0", "source")
    assert "already published" in made.done("publish", "sdk/tool", "1.0", "source").out
    promoted = made.done("publish", "sdk/tool", "1.0", "source", "--channel", "beta")
    assert "promoted" in promoted.out
    assert "beta, stable" in promoted.out
    (made.folder / "source/new").write_bytes(b"")
    result = made("publish", "sdk/tool", "1.0", "source")
    assert result.code == 3
    assert result.err.splitlines()[-1].startswith("spot-mirror: sdk/tool 1.0 (any) is published with other content.")


def test_every_option_reaches_the_index(made: Shell) -> None:
    (made.folder / "notes.txt").write_text("Zwölf.\n", encoding="utf-8")
    words = ("--severity", "security", "--restart", "--notes-file", "notes.txt", "--platform", "linux-arm64")
    wishes = (
        "--requires",
        "sdk/other>=1.0,<2",
        "--requires",
        "science/numpy ~=2.0",
        "--channel",
        "a",
        "--channel",
        "b",
    )
    made.done("publish", "sdk/tool", "1.0", "source", *words, *wishes)
    release = catalogue.load(made.folder / "data/catalogue").release("sdk", "tool", "1.0", "linux-arm64")
    assert release is not None
    assert (release.severity.value, release.restart, release.notes) == ("security", True, "Zwölf.")
    assert release.channels == ("a", "b")
    assert release.requires == {"sdk/other": ">=1.0,<2", "science/numpy": "~=2.0"}


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("tool", "1.0", "source"), 3, "PRODUCT/COMPONENT"),
        (("sdk/tool", "new", "source"), 3, "PEP 440"),
        (("sdk/tool", "1.0", "nowhere"), 3, "nowhere"),
        (("root/tool", "1.0", "source"), 3, "reserved"),
        (("sdk/tool", "1.0", "source", "--platform", "amiga"), 3, "platform"),
        (("sdk/tool", "1.0", "source", "--severity", "mild"), 2, "severity"),
        (("sdk/tool", "1.0", "source", "--requires", "sdk/tool"), 2, "PRODUCT/COMPONENT"),
        (("sdk/tool", "1.0", "source", "--requires", "a/b>1", "--requires", "a/b<2"), 2, "once"),
        (("sdk/tool", "1.0", "source", "--notes", "x", "--notes-file", "mirror.toml"), 2, "once"),
        (("sdk/tool", "1.0", "source", "--level", "23"), 2, "level"),
        (("sdk/tool", "1.0", "source", "--config", "mirror.toml"), 2, "spot-mirror --config FILE publish"),
        (("sdk/tool", "1.0", "source", "--opaque"), 3, "leave --opaque out"),
        (("sdk/tool", "1.0", "source", "--config", "*.ini"), 3, "No file of the source fits"),
        (
            ("sdk/tool", "1.0", "source", "--config", "lib/", "--state", "*.txt"),
            3,
            "as config and as state",
        ),
        (("sdk/tool", "1.0", "mirror.toml", "--requires", "a/b>1", "--level", "0"), 2, "level"),
    ],
)
def test_what_cannot_be_published_is_said_with_its_own_code(
    made: Shell, arguments: tuple[str, ...], code: int, text: str
) -> None:
    result = made("publish", *arguments)
    assert result.code == code
    assert text in result.err
    assert not (made.folder / "data/releases").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--config", "none.toml", "publish", "sdk/tool", "1.0", "source"),
        ("--config", "none.toml", "releases"),
        ("releases", "--config", "none.toml"),
        ("--config", "mirror.toml", "releases", "--config", "none.toml"),
    ],
)
def test_the_configuration_is_named_before_the_command_or_after_it(made: Shell, arguments: tuple[str, ...]) -> None:
    result = made(*arguments)
    assert (result.code, "none.toml" in result.err) == (5, True)


def test_missing_and_wrong_passphrases_have_a_code_of_their_own(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPOT_MIRROR_PASSPHRASE", "something else")
    assert made("publish", "sdk/tool", "1.0", "source").code == 4
    monkeypatch.delenv("SPOT_MIRROR_PASSPHRASE")
    assert made("resign").code == 4
    (made.folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    assert made("resign", "--passphrase-file", "passphrase").code == 4
    (made.folder / "passphrase").chmod(0o600)
    made.done("resign", "--passphrase-file", "passphrase")
    toml = (made.folder / "mirror.toml").read_text().replace("# passphrase_file", "passphrase_file")
    (made.folder / "mirror.toml").write_text(toml)
    made.done("resign")


def test_lost_keys_and_a_damaged_catalogue_have_codes_of_their_own(made: Shell) -> None:
    (made.folder / "keys").rename(made.folder / "elsewhere")
    assert made("resign").code == 8
    (made.folder / "elsewhere").rename(made.folder / "keys")
    (made.folder / "data/catalogue/timestamp.json").write_bytes(b"{}")
    for command in (("resign",), ("releases",), ("publish", "sdk/tool", "1.0", "source")):
        assert made(*command).code == 6


def test_a_dry_run_needs_no_passphrase_and_publishes_nothing(made: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPOT_MIRROR_PASSPHRASE")
    result = made.done("publish", "sdk/tool", "1.0", "source", "--dry-run")
    assert "nothing done" in result.out
    assert made.done("releases").out.startswith("Nothing is published yet.")


def test_releases_are_listed_in_columns(made: Shell) -> None:
    for component, version in (("sdk/tool", "1.0"), ("sdk/tool", "1.1"), ("sdk/other", "2.0"), ("science/x", "3.0")):
        made.done("publish", component, version, "source")
    rows = [line.split() for line in made.done("releases").out.splitlines()]
    assert " ".join(rows[0]) == "COMPONENT VERSION PLATFORM CHANNELS PUBLISHED SEVERITY MANIFEST PACK STATE"
    assert [row[:2] for row in rows[1:]] == [
        ["science/x", "3.0"],
        ["sdk/other", "2.0"],
        ["sdk/tool", "1.0"],
        ["sdk/tool", "1.1"],
    ]
    assert len(made.done("releases", "sdk").out.splitlines()) == 4
    assert len(made.done("releases", "sdk/tool").out.splitlines()) == 3
    assert made.done("releases", "none").out.startswith("Nothing is published of none yet.")
    slip = made.done("releases", "sdk/tol").out
    assert slip == "Nothing is published of sdk/tol yet. Of sdk there is: sdk/other, sdk/tool\n"
    assert "spot-mirror publish" in made.done("releases", "none/tool").out
    assert made("releases", "No Product").code == 3


def test_a_release_whose_blobs_are_lost_is_shown_as_such(made: Shell) -> None:
    made.done("publish", "sdk/tool", "1.0", "source")
    stored = made.folder / "data/releases/sdk/tool/1.0/any"
    (stored / "manifest").write_bytes(b"short")
    assert made.done("releases").out.rstrip().endswith("damaged")
    (stored / "pack").unlink()
    assert made.done("releases").out.rstrip().endswith("missing")


def test_resign_says_the_new_version(made: Shell) -> None:
    assert made.done("resign").out.splitlines() == ["The catalogue is signed anew: version 2.", good_until(made)]


def test_one_file_is_counted_as_one(made: Shell) -> None:
    (made.folder / "source/lib/a.txt").unlink()
    (made.folder / "source/lib").rmdir()
    assert "  content   1 file, " in made.done("publish", "sdk/tool", "1.0", "source").out


def test_every_command_and_option_is_explained(shell: Shell) -> None:
    for command in ("init", "publish", "releases", "resign"):
        assert len(shell.done(command, "--help").out) > 200
        options = [one for one in cli.cli.commands[command].params if one.param_type_name == "option"]
        assert all(getattr(one, "help", None) for one in options)


@pytest.mark.slow
def test_on_a_terminal_there_is_a_bar(made: Shell) -> None:
    main, other = pty.openpty()
    command = [sys.executable, "-c", "from mirror.cli import main; main()", "publish", "sdk/tool", "1.0", "source"]
    environment = {**os.environ, "SPOT_MIRROR_PASSPHRASE": PASSPHRASE, "TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run(command, stderr=other, stdout=subprocess.PIPE, env=environment, check=True, cwd=made.folder)
    os.close(other)
    shown = os.read(main, 100_000).decode()
    os.close(main)
    assert "reading" in shown
    assert "packing" in shown
    assert "━" in shown
    assert b"published." in done.stdout


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**30, "5.0 GiB"), (2**52, "4096.0 TiB")]
)
def test_sizes_are_in_words(count: int, text: str) -> None:
    assert size(count) == text


def test_what_is_due_and_nobody_here_can_sign_is_told_with_whose_keys_it_waits_for(vendor: Shell) -> None:
    assert "Nothing is due." in vendor.done("resign", "--all").out
    said = vendor.done("resign", "--all", "root").out
    assert "due" not in said
    assert "root waits for 2 more signatures, of root-1, root-2, root-3: spot-mirror approve" in said
