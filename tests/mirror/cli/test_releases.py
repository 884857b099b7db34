"""The commands releases and release show, and what programs read of them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mirror import catalogue
from tests.mirror.cli.shell import Shell
from tests.mirror.publishing.rig import folder_of

OPTIONS = ("--level", "1")


@pytest.fixture
def published(made: Shell) -> Shell:
    """A mirror with one release that has something of everything."""
    folder_of(made.folder / "source", {"etc/app.ini": b"x=1\n", "var/a.db": b"db"})
    (made.folder / "source/lib/link").symlink_to("a.txt")
    (made.folder / "source/bin/tool").chmod(0o755)
    kinds = ("--config", "etc/*", "--state", "var/")
    words = ("--notes", "One.\nTwo “three”.", "--severity", "bug", "--restart", "--requires", "sdk/core>=1")
    made.done("publish", "sdk/tool", "1.0", "source", *kinds, *words, *OPTIONS)
    return made


def shown(shell: Shell, *words: str) -> Any:
    """What a release is told to be; the exit code says whether it is whole."""
    result = shell("release", "show", "sdk/tool", "1.0", "--json", *words)
    found = json.loads(result.out)
    assert result.code == (0 if found["state"] == "whole" else 9), result.err
    return found


def stored(shell: Shell) -> Path:
    return shell.folder / "data/releases/sdk/tool/1.0/any"


def test_all_of_a_release_is_shown(published: Shell) -> None:
    lines = published.done("release", "show", "sdk/tool", "1.0").out.splitlines()
    said = {line[2:12].strip(): line[12:] for line in lines[1:] if line.startswith("  ") and line[2] != " "}
    assert lines[0] == "sdk/tool 1.0 (any)"
    assert said["channels"] == "stable"
    assert said["severity"] == "bug"
    assert said["restart"] == "needed"
    assert said["requires"] == "sdk/core >=1"
    assert said["content"] == "4 files, 4.9 KiB"
    assert said["kinds"] == "1 config, 2 file, 1 state"
    assert said["pack"].endswith(" in 1 block")
    assert said["signed"].startswith("by the role sdk (1 of 1 key), version 1, good until ")
    assert said["state"] == "whole"
    assert lines[-2:] == ["    One.", "    Two “three”."]


def test_programs_read_the_same(published: Shell) -> None:
    found = shown(published)
    known = catalogue.load(published.folder / "data/catalogue")
    line = known.release("sdk", "tool", "1.0", "any")
    assert line is not None
    assert found.pop("signed") == {
        "role": "sdk",
        "version": 1,
        "expires": f"{known.expires['sdk']:%Y-%m-%dT%H:%M:%SZ}",
        "threshold": 1,
        "keys": 1,
    }
    content = found.pop("content")
    assert content.pop("pack_length") == (stored(published) / "pack").stat().st_size
    assert content == {
        "blocks": 1,
        "files": 4,
        "size": 5016,
        "kinds": {"config": 1, "file": 2, "state": 1},
        "hooks": [],
    }
    assert found == {
        "component": "sdk/tool",
        "version": "1.0",
        "platform": "any",
        "channels": ["stable"],
        "severity": "bug",
        "published": line.published,
        "restart": True,
        "requires": {"sdk/core": ">=1"},
        "notes": "One.\nTwo “three”.",
        "manifest": {"length": line.manifest.length, "head_sha256": line.manifest.head},
        "state": "whole",
    }


def test_entries_are_listed_when_asked_for(published: Shell) -> None:
    entries = {entry["path"]: entry for entry in shown(published, "--files")["entries"]}
    assert [*entries] == ["bin", "bin/tool", "etc", "etc/app.ini", "lib", "lib/a.txt", "lib/link", "var", "var/a.db"]
    assert entries["lib"] == {"type": "folder", "path": "lib", "mode": "0755"}
    assert entries["lib/link"] == {"type": "link", "path": "lib/link", "target": "a.txt"}
    tool = entries["bin/tool"]
    assert (tool["type"], tool["mode"], tool["size"], tool["kind"]) == ("file", "0755", 10, "file")
    assert entries["etc/app.ini"]["kind"] == "config"
    table = published.done("release", "show", "sdk/tool", "1.0", "--files").out.split("MODE", 1)[1].splitlines()
    assert [" ".join(line.split()) for line in table[1:4]] == [
        "0755 folder bin/",
        f"0755 10 B file {tool['sha256']} bin/tool",
        "0755 folder etc/",
    ]
    assert any(line.endswith("lib/link -> a.txt") for line in table)


def test_bytes_that_are_lost_or_damaged_are_told(published: Shell) -> None:
    pack = stored(published) / "pack"
    whole = pack.read_bytes()
    pack.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert shown(published)["state"] == "damaged"
    assert "on offer" in published.done("releases").out  # its length is right, and no more is looked at there
    pack.write_bytes(whole[:-1])
    assert shown(published)["state"] == "damaged"
    pack.unlink()
    found = shown(published, "--files")
    assert (found["state"], len(found["entries"])) == ("missing", 9)
    pack.write_bytes(whole)
    (stored(published) / "manifest").write_bytes(b"short")
    found = shown(published, "--files")
    assert (found["state"], found["content"], found["entries"]) == ("damaged", None, None)
    plain = published("release", "show", "sdk/tool", "1.0", "--files")
    assert plain.code == 9
    assert "  state     damaged" in plain.out
    assert "content" not in plain.out
    (stored(published) / "manifest").unlink()
    assert shown(published)["state"] == "missing"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("sdk/tool", "9.9"), 3, "'spot-mirror releases sdk/tool' lists what is"),
        (("sdk/none", "1.0"), 3, "is not published"),
        (("none/none", "1.0"), 3, "is not published"),
        (("sdk/tool", "1.0", "--platform", "linux-arm64"), 3, "1.0 (linux-arm64) is not published"),
        (("sdk", "1.0"), 3, "PRODUCT/COMPONENT"),
        (("sdk/tool", "1.0", "--config", "none.toml"), 5, "none.toml"),
        (("sdk/tool",), 2, "VERSION"),
    ],
)
def test_what_cannot_be_shown_is_said_with_the_next_step(
    published: Shell, words: tuple[str, ...], code: int, text: str
) -> None:
    result = published("release", "show", *words)
    assert (result.code, result.out) == (code, "")
    assert text in result.err


def test_a_version_for_several_platforms_is_asked_for_with_one(published: Shell) -> None:
    published.done("publish", "sdk/tool", "1.0", "source", "--platform", "linux-arm64", *OPTIONS)
    result = published("release", "show", "sdk/tool", "1.0")
    assert result.code == 3
    assert "any, linux-arm64: name one by --platform" in result.err
    assert shown(published, "--platform", "linux-arm64")["platform"] == "linux-arm64"
    assert shown(published, "--platform", "any")["platform"] == "any"


def test_the_list_for_programs_has_what_the_table_has(published: Shell) -> None:
    published.done("publish", "science/x", "3.0", "source", "--channel", "beta", *OPTIONS)
    found = json.loads(published.done("releases", "--json").out)
    assert [(line["component"], line["state"]) for line in found] == [
        ("science/x", "on-offer"),
        ("sdk/tool", "on-offer"),
    ]
    (line,) = json.loads(published.done("releases", "sdk", "--json").out)
    assert line["manifest_length"] == (stored(published) / "manifest").stat().st_size
    assert line["pack_length"] == (stored(published) / "pack").stat().st_size
    assert (line["restart"], line["severity"], line["channels"]) == (True, "bug", ["stable"])
    assert (line["withdrawn"], line["reason"]) == (None, None)
    (stored(published) / "pack").unlink()
    (line,) = json.loads(published.done("releases", "sdk/tool", "--json").out)
    assert (line["state"], line["pack_length"]) == ("missing", None)
    assert published.done("releases", "none", "--json").out == "[]\n"


def test_publish_and_resign_tell_programs_what_came_of_them(made: Shell) -> None:
    (made.folder / "source/lib/a.ini").write_bytes(b"x")
    words = ("publish", "sdk/tool", "1.0rc1", "source", "--json", "--config", "*.ini", *OPTIONS)
    result = made.done(*words)
    found = json.loads(result.out)
    expires = catalogue.load(made.folder / "data/catalogue").expires["timestamp"]
    until = f"{expires:%Y-%m-%dT%H:%M:%SZ}"
    assert found.pop("seconds") >= 0
    assert re.fullmatch("[0-9a-f]{64}", found.pop("manifest"))
    assert found.pop("pack_length") == (made.folder / "data/releases/sdk/tool/1.0rc1/any/pack").stat().st_size
    assert found == {
        "component": "sdk/tool",
        "version": "1.0rc1",
        "platform": "any",
        "outcome": "published",
        "read_as": "folder",
        "channels": ["stable"],
        "files": 3,
        "config_files": 1,
        "state_files": 0,
        "size": 5011,
        "catalogue_version": 2,
        "good_until": until,
        "notes": ["1.0rc1 is a pre-release, and is offered in stable."],
        "waits": [],
    }
    assert "Note: 1.0rc1 is a pre-release" in result.err
    assert json.loads(made.done(*words).out)["outcome"] == "already"
    assert json.loads(made.done(*words, "--dry-run").out)["outcome"] == "dry-run"
    assert json.loads(made.done(*words, "--channel", "beta").out)["outcome"] == "promoted"
    found = json.loads(made.done("resign", "--json").out)
    assert found.keys() == {"catalogue_version", "good_until", "signed", "waits"}
    assert found["catalogue_version"] == 4


def test_the_commands_explain_themselves(shell: Shell) -> None:
    for words in (("release",), ("release", "show"), ("releases",)):
        assert len(shell.done(*words, "--help").out) > 100
