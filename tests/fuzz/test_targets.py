"""Every parser is among the targets, and the inputs made for it go deeper than its first line."""

import subprocess
import sys
import warnings
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import documents, lines, site, trust
from fuzz.script import MAX_INPUT, Script, change_bytes
from fuzz.shapes import VALUES, change_der, change_json
from fuzz.target import Target, judge
from tests.house.source import ROOT, trees
from tests.spot_client.wire.samples import vector

TARGETS = {target.name: target for room in (documents, lines, site, trust) for target in room.targets()}
NO_PARSER = {"digest", "errors", "portable"}  # modules of `wire`: values, and rules that `manifest` holds
REACHED_BY = {
    "document": "minted",
    "installation": "short-form",
    "names": "name",
    "pack": "block",
    "routes": "route",
    "thin_snapshot": "thin-snapshot",
}

scripts = st.binary(max_size=48)


def told(target: Target, raw: bytes) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the certificate library's, about what it is given to read
        return judge(target, raw)


def test_every_format_has_a_target() -> None:
    modules = {name.rpartition(".")[2] for name in trees() if name.startswith("spot_client.wire.")} - NO_PARSER
    assert {REACHED_BY.get(module, module) for module in modules} <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_begin_from_one_that_is_read(name: str) -> None:
    ends = Counter(told(TARGETS[name], raw) for raw in dict.fromkeys(TARGETS[name].seeds))
    assert ends["read"] > 0


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=40)
@given(script=scripts)
def test_no_parser_breaks_its_rules(name: str, script: bytes) -> None:
    """A few inputs of each, whenever the tests run; `python -m fuzz` makes many."""
    numbers = Script(script)
    target = TARGETS[name]
    told(target, target.change(numbers.one_of(target.seeds), numbers)[:MAX_INPUT])


@given(scripts)
def test_a_script_makes_the_same_input_each_time(script: bytes) -> None:
    raw = vector("index.json")
    for change in (change_bytes, change_json, change_der):
        assert change(raw, Script(script)) == change(raw, Script(script))


def test_an_empty_script_changes_nothing() -> None:
    raw = vector("index.json")
    for change in (change_bytes, change_json):
        assert change(raw, Script(b"")) == raw
    for certificate in TARGETS["certificate"].seeds:
        assert change_der(certificate, Script(b"")) == certificate


def test_a_script_leaves_what_other_scripts_take_values_from_as_it_is() -> None:
    before = repr(VALUES)
    for number in range(300):
        script = Script(bytes((place * number + number // 7) % 256 for place in range(48)))
        change_json(b'{"a":[1,{"b":"c"}]}', script)
    assert repr(VALUES) == before


@given(scripts, st.integers(2, 2**20))
def test_a_number_lies_below_its_limit(script: bytes, limit: int) -> None:
    numbers = Script(script)
    assert all(0 <= numbers.below(limit) < limit for _ in range(60))


@pytest.mark.parametrize("name", ["index", "manifest", "thin-snapshot", "licences", "bundle", "site-list"])
def test_changed_documents_reach_the_rules_behind_the_shape(name: str) -> None:
    ends: Counter[str] = Counter()
    target = TARGETS[name]

    @settings(max_examples=300, database=None, derandomize=True)
    @given(script=st.binary(min_size=48, max_size=48))
    def count(script: bytes) -> None:
        numbers = Script(script)
        ends[told(target, target.change(numbers.one_of(target.seeds), numbers)[:MAX_INPUT])] += 1

    count()
    deepest = {"licences": "wrong-shape", "bundle": "bundle-mismatch"}.get(name, f"bad-{name}")
    assert ends["read"] > 5
    assert ends[deepest] > 5


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[", b"30", b"\x30\x80", b"\x30\x82"])
def test_what_is_not_of_the_format_is_changed_as_bytes(raw: bytes) -> None:
    for change in (change_json, change_der):
        assert isinstance(change(raw, Script(b"\1" * 48)), bytes)


def fuzz(*arguments: str) -> Any:
    command = [sys.executable, "-m", "fuzz", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_says_what_it_did_and_ends_with_0() -> None:
    done = fuzz("--seconds", "1", "--seed", "7", "--target", "minted", "--target", "route")
    assert done.returncode == 0, done.stdout + done.stderr
    first, *rows, last = done.stdout.splitlines()
    assert first == "2 parsers, 1 s in all, --seed 7"
    assert {row.split()[0] for row in rows} == {"minted", "route"}
    assert last == "Nothing found."
    assert fuzz("--list").stdout.split() == list(TARGETS)


@pytest.mark.slow
def test_a_target_that_is_none_is_a_wrong_call() -> None:
    done = fuzz("--target", "nothing")
    assert done.returncode == 2
    assert "there is no target 'nothing'" in done.stderr
    assert done.stdout == ""
