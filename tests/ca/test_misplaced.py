"""An option in the wrong place: both programs say where it belongs, and end with 2."""

import pytest
from click.testing import CliRunner

import ca.cli
import mirror.cli

PROGRAMS = {"spot-ca": ca.cli.cli, "spot-mirror": mirror.cli.cli}


def refused(line: str) -> str:
    """What is said of a command line that is wrong, but for the usage."""
    program, *words = line.split()
    result = CliRunner().invoke(PROGRAMS[program], words, prog_name=program)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr.splitlines()[-1].removeprefix("Error: ")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "spot-ca init --realm x --passphrase-file F",
            "--passphrase-file stands before the command: spot-ca --passphrase-file FILE init …",
        ),
        (
            "spot-ca issue client acme --passphrase-file=F",
            "--passphrase-file stands before the command: spot-ca --passphrase-file FILE issue client …",
        ),
        ("spot-ca list --dir ca", "--dir stands before the command: spot-ca --dir DIRECTORY list …"),
        ("spot-ca --json list", "--json stands after the command: spot-ca list --json …"),
        (
            "spot-ca issue --days 3 client acme",
            "--days stands after the command: spot-ca issue client --days INTEGER RANGE …",
        ),
        (
            "spot-mirror --passphrase-file F publish tools/hello 1.0 hello",
            "--passphrase-file stands after the command: spot-mirror publish --passphrase-file FILE …",
        ),
        ("spot-mirror --json customer list", "--json stands after the command: spot-mirror customer list --json …"),
        ("spot-mirror licence --json list", "--json stands after the command: spot-mirror licence list --json …"),
        (
            "spot-mirror --passphrase-file F",
            "--passphrase-file stands after the command: spot-mirror COMMAND --passphrase-file FILE …",
        ),
    ],
)
def test_an_option_in_the_wrong_place_is_told_the_right_one(line: str, told: str) -> None:
    assert refused(line) == told


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("spot-ca list --nonsense", "--nonsense"),
        ("spot-ca --nonsense list", "--nonsense"),
        ("spot-mirror --passphrase-file F customer list", "--passphrase-file"),
        ("spot-mirror customer list --passphrase-file F", "--passphrase-file"),
    ],
)
def test_an_option_that_the_command_never_takes_is_none(line: str, name: str) -> None:
    assert refused(line).startswith(f"No such option '{name}'")
