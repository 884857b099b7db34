"""The command `export`: what a customer is licensed for, in a folder that is carried."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from mirror import catalogue
from tests.mirror.cli.shell import Shell


@pytest.fixture
def stocked(made: Shell) -> Shell:
    """Two products; acme is licensed for stable of one, globex for nothing."""
    made.done("publish", "sdk/tool", "1.0", "source")
    made.done("publish", "sdk/tool", "1.1", "source", "--channel", "beta")
    made.done("publish", "science/maths", "2.0", "source")
    made.done("customer", "add", "acme")
    made.done("customer", "add", "globex")
    made.done("licence", "grant", "acme", "sdk", "--installations", "5")
    return made


def packs(shell: Shell) -> list[str]:
    folder = shell.folder / "set"
    return sorted(str(path.relative_to(folder / "releases").parent) for path in folder.rglob("pack"))


def test_a_set_has_what_a_customer_is_licensed_for_and_verifies_like_a_mirror(stocked: Shell) -> None:
    said = stocked.done("export", "set", "--customer", "acme").out
    assert "1 release, " in said
    assert "spot update --from set" in said
    assert packs(stocked) == ["sdk/tool/1.0/any"]
    chain = catalogue.read_chain(stocked.folder / "data/catalogue")
    assert not (stocked.folder / "set/catalogue" / f"{chain.products['science'].version}.science.json").exists()
    assert b"science/maths" not in b"".join(p.read_bytes() for p in (stocked.folder / "set").rglob("*.targets.json"))


def test_the_document_and_the_days(stocked: Shell) -> None:
    answer = json.loads(stocked.done("export", "set", "--product", "sdk", "--days", "14", "--json").out)
    assert (answer["folder"], answer["releases"]) == ("set", 2)
    until = datetime.fromisoformat(answer["good_until"])
    assert abs(until - datetime.now(UTC) - timedelta(days=14)) < timedelta(minutes=5)
    stamp = json.loads((stocked.folder / "set/catalogue/timestamp.json").read_bytes())["signed"]
    assert stamp["x-spot-offline"] is True
    assert packs(stocked) == ["sdk/tool/1.0/any", "sdk/tool/1.1/any"]


def test_the_mirror_itself_is_not_changed(stocked: Shell) -> None:
    before = {p: p.read_bytes() for p in (stocked.folder / "data/catalogue").rglob("*") if p.is_file()}
    stocked.done("export", "set", "--product", "sdk")
    assert {p: p.read_bytes() for p in (stocked.folder / "data/catalogue").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "--customer"),
        (("--customer", "acme", "--product", "sdk"), 2, "--customer"),
        (("--customer", "nobody"), 3, "nobody"),
        (("--customer", "globex"), 3, "no licence in force"),
        (("--product", "nothing"), 3, "no product nothing"),
        (("--product", "sdk", "--days", "0"), 2, "--days"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    stocked: Shell, words: tuple[str, ...], code: int, told: str
) -> None:
    result = stocked("export", "set", *words)
    assert result.code == code, result.err
    assert told in result.err
    assert not (stocked.folder / "set").exists()


def test_a_folder_with_something_in_it_is_left_alone(stocked: Shell) -> None:
    result = stocked("export", "source", "--product", "sdk")
    assert result.code == 3
    assert "not empty" in result.err


def test_a_licence_that_came_before_the_first_release_does_not_keep_the_rest_out(stocked: Shell) -> None:
    stocked.done("licence", "grant", "acme", "later", "--installations", "1")
    result = stocked.done("export", "set", "--customer", "acme")
    assert "later is licensed and not published yet: it is not in the set." in result.err
    assert "release" in result.out
    stocked.done("licence", "grant", "globex", "later", "--installations", "1")
    result = stocked("export", "none", "--customer", "globex")
    assert (result.code, "Nothing that is licensed is published yet" in result.err) == (3, True)
