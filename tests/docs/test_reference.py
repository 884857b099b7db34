"""The pages of the commands say what the code says, and their examples run as shown, page by page."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from spot_client.history import Event
from tests.docs import exits
from tests.docs.pages import DOCS, sections
from tests.docs.reference import PROGRAMS, commands, page, refreshed
from tests.docs.shell import PASSPHRASES, free_port, run
from tests.house.source import trees, within

CA: Final = """\
spot-ca init --realm build.example.com
spot-ca issue server mirror --dns localhost --ip 127.0.0.1
"""
MIRROR: Final = "spot-mirror init --realm build.example.com --development\n"
RELEASES: Final = """\
mkdir hello && echo 'echo Hello 1' > hello/hello.sh
spot-mirror publish tools/hello 1.0 hello
echo 'echo Hello 2' > hello/hello.sh
spot-mirror publish tools/hello 2.0 hello --severity bug --notes 'Says 2.'
"""
CUSTOMER: Final = """\
spot-mirror customer add acme
spot-mirror licence grant acme tools --installations 10
spot-ca bundle acme --mirror https://127.0.0.1:8443=certs/ca/issued/mirror.crt \\
    --catalogue-root data/catalogue/1.root.json --out acme.bundle
"""
SERVED: Final = """\
printf '[content.limits]\\nthin_snapshot_seconds = 0\\n' >> mirror.toml
spot-mirror serve > serve.log 2>&1 &
until grep -q "ready on" serve.log; do kill -0 $! || { cat serve.log; exit 1; }; sleep 0.1; done
"""
BEFORE: Final = {"spot-ca": "", "spot-mirror": CA, "spot": CA + MIRROR + RELEASES + CUSTOMER + SERVED}
"""What stands when the examples of a page begin; each page says so in its own words."""


def leaves(program: str) -> Iterator[str]:
    return (name for name, command in commands(program) if not isinstance(command, click.Group))


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_command_and_option_stands_in_the_reference_as_the_code_has_it(program: str) -> None:
    text = page(program).read_text()
    assert text == refreshed(program, text), "run: make reference"


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_command_and_option_has_a_help(program: str) -> None:
    for name, command in commands(program):
        assert command.help, name
        is_listed = name != program
        assert not (is_listed and command.get_short_help_str(60).endswith("...")), (
            f"{name}: cut in the list of commands"
        )
        assert [one.opts for one in command.params if isinstance(one, click.Option) and not one.help] == [], name


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_reference_has_no_command_that_the_code_has_not(program: str) -> None:
    known = {name for name, _ in commands(program)}
    told = {one.title for one in sections(page(program).read_text()) if one.title.split(" ")[0] == program}
    assert told == known


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_command_has_an_example(program: str) -> None:
    found = {one.title: "\n".join(one.scripts) for one in sections(page(program).read_text())}
    without = [name for name in leaves(program) if not re.search(rf"^(\S+=\S+ )*{name}\b", found[name], re.MULTILINE)]
    assert without == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_exit_codes_of_the_help_are_those_of_the_code(program: str) -> None:
    assert exits.told(PROGRAMS[program]) == exits.in_code(program)


def test_every_key_that_spot_prints_with_json_stands_in_its_page() -> None:
    words = set(re.findall(r"\w+", page("spot").read_text()))
    rooms = (
        "spot_client.shapes",
        "spot_client.renewed",
        *(f"spot_client.cli.{room}" for room in ("changing", "listing", "reading", "renewal", "upkeep")),
    )
    literals = (
        node
        for name, tree in trees().items()
        if within(name, *rooms)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
    )
    keys = {key.value for one in literals for key in one.keys if isinstance(key, ast.Constant)}
    assert {"fetch_bytes", "kept_damaged", "freed_bytes", "short_form"} < keys  # else they are not found like this
    assert (keys | set(Event.__struct_fields__)) - words == set()


def test_every_link_of_the_reference_leads_somewhere() -> None:
    pages = {path.name: path.read_text() for path in (DOCS / "reference").glob("*.md")}
    places = {(name, _anchor(one.title)) for name, text in pages.items() for one in sections(text)}
    for name, text in pages.items():
        for target in re.findall(r"\]\(([^)]*)\)", text):
            there, _, anchor = target.partition("#")
            assert (there or name) in pages, target
            assert not anchor or (there or name, anchor) in places, target
    linked = set(re.findall(r"\]\(([^)]*)\)", pages["README.md"]))
    assert linked == set(pages) - {"README.md"}


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_examples_of_a_page_run_one_after_the_other(program: str, tmp_path: Path) -> None:
    examples = [script for one in sections(page(program).read_text()) for script in one.scripts]
    run([BEFORE[program], *examples], tmp_path, port=free_port(), environment=PASSPHRASES, seconds=300)


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")
