"""`spot-mirror thin-snapshots stopped`, after real withdrawals and halts."""

import json
from datetime import UTC, datetime
from functools import partial

from mirror.records.sqlite import FILE_NAME, open_records
from tests.mirror.cli.shell import Shell

OURS, THEIRS = "7k2m9xq40gct31vz", "7k3m9xq40gct31vz"


def fleet(shell: Shell) -> Shell:
    """Two versions; acme has the older one, globex the newer."""
    for version in ("1.0", "1.1"):
        shell.done("publish", "sdk/tool", version, "source", "--level", "1")
    shell.done("customer", "add", "acme", "globex")
    records = open_records(shell.folder / "data" / FILE_NAME)
    for customer, name, version in (("acme", OURS, "1.0"), ("globex", THEIRS, "1.1")):
        records.mint(customer, name.encode(), partial(str, name), datetime.now(UTC))
        records.put_thin_snapshot(name, {"sdk/tool": version}, datetime.now(UTC))
    records.close()
    return shell


def test_nothing_is_stopped_at_first(made: Shell) -> None:
    assert "No installation" in fleet(made).done("thin-snapshots", "stopped").out


def test_support_sees_who_still_has_what_was_stopped(made: Shell) -> None:
    shell = fleet(made)
    shell.done("withdraw", "sdk/tool", "1.0", "--reason", "it breaks")
    shell.done("halt", "sdk/tool", "1.1", "--reason", "we look into it")
    lines = shell.done("thin-snapshots", "stopped").out.splitlines()
    assert lines[0].split()[:4] == ["CUSTOMER", "INSTALLATION", "COMPONENT", "VERSION"]
    assert sorted(line.split()[0] for line in lines[1:]) == ["acme", "globex"]
    (ours,) = json.loads(shell.done("thin-snapshots", "stopped", "--customer", "acme", "--json").out)
    assert (ours["installation"], ours["component"], ours["version"]) == (OURS, "sdk/tool", "1.0")
    assert (ours["why"], ours["reason"], ours["perhaps"]) == ("withdrawn", "it breaks", False)
    assert shell("thin-snapshots", "stopped", "--customer", "nobody").code == 3
