"""The reference of the configuration says what the code says: keys, defaults, limits, variables. Its examples load."""

import ast
import re
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

import mirror.config
from ca.errors import VaultError
from ca.lifetimes import MAX_LIFETIMES, parse_lifetimes
from mirror.cli.template import TOML
from mirror.config import Config, Content, Health, Lifetimes, Operator, Publishing
from mirror.limits import Limits
from spot_client import config as spot_config
from spot_client.config import Settings, load_settings
from tests.docs.pages import DOCS, blocks, rows, sections
from tests.docs.reference import PROGRAMS, commands
from tests.house.source import trees

SECTIONS = {one.title: one.text for one in sections((DOCS / "reference" / "configuration.md").read_text())}
FILES = [
    ("mirror.toml", "", Config),
    ("mirror.toml", "content.", Content),
    ("mirror.toml", "content.limits.", Limits),
    ("mirror.toml", "health.", Health),
    ("mirror.toml", "operator.", Operator),
    ("mirror.toml", "publishing.", Publishing),
    ("mirror.toml", "lifetimes.", Lifetimes),
    ("spot.toml", "", Settings),
]


def told(heading: str, prefix: str = "") -> dict[str, list[str]]:
    """The row of each key, without the key."""
    found = {key: rest for key, *rest in rows(SECTIONS[heading])}
    return {key: rest for key, rest in found.items() if key.rpartition(".")[0] == prefix.rstrip(".")}


def default(field: msgspec.structs.FieldInfo) -> str:
    """How the page writes a default."""
    if field.required:
        return "required"
    return "none" if field.default is None else msgspec.json.encode(field.default).decode()


def bounds(kind: Any) -> tuple[int, int] | None:
    """The least and the most of a number."""
    for meta in getattr(kind, "__metadata__", ()):
        if meta.ge is not None:
            return meta.ge, meta.le
    return None


@pytest.mark.parametrize(("heading", "prefix", "shape"), FILES)
def test_every_key_stands_in_the_reference_with_its_default_and_its_limits(
    heading: str, prefix: str, shape: type[msgspec.Struct]
) -> None:
    found = told(heading, prefix)
    fields = {f"{prefix}{field.encode_name}": field for field in msgspec.structs.fields(shape)}
    tables = set(fields) & {table.rstrip(".") for _, table, _ in FILES}
    assert set(found) == set(fields) - tables
    for key, (said, _, limits) in found.items():
        assert said == default(fields[key]), key
        if numbers := bounds(fields[key].type):
            assert limits == "{} to {}".format(*numbers), key


def test_every_lifetime_stands_in_the_reference_with_its_default_and_its_limits() -> None:
    lifetimes = parse_lifetimes(b"", source="none", refusal=VaultError).days
    found = told("lifetimes.toml")
    assert {key: int(said) for key, (said, _, _) in found.items()} == lifetimes
    for key, (_, _, limits) in found.items():
        least, most = map(int, limits.split(" to "))
        for days in (least - 1, most + 1):
            with pytest.raises(VaultError, match=f"{key} is not a whole number of days"):
                parse_lifetimes(f"{key} = {days}".encode(), source="it", refusal=VaultError)
        longest = {"root": 7300, "issuing": 7300, key: most}
        text = "\n".join(f"{name} = {days}" for name, days in longest.items())
        assert parse_lifetimes(text.encode(), source="it", refusal=VaultError).days[key] == most


def test_every_variable_of_the_environment_stands_in_the_reference() -> None:
    in_code = {
        node.value
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch("SPOT_[A-Z_]+", node.value)
    }
    assert {name for name, *_ in rows(SECTIONS["Environment variables"])} == in_code


def test_every_variable_stands_beside_its_program_and_option() -> None:
    options = {
        (param.envvar, program, param.opts[-1])
        for program in PROGRAMS
        for _, command in commands(program)
        for param in command.params
        if isinstance(param, click.Option) and param.envvar
    }
    found = {(name, program, option) for name, program, option, _ in rows(SECTIONS["Environment variables"])}
    assert {line for line in found if line[2] != "none"} == options


def test_the_largest_file_that_is_read_is_told() -> None:
    largest = {name: size for name, *_, size in rows(SECTIONS["Reference: configuration"])}
    limits = {
        "mirror.toml": mirror.config.MAX_BYTES,
        "spot.toml": spot_config.MAX_BYTES,
        "lifetimes.toml": MAX_LIFETIMES,
    }
    assert largest == {name: f"{size // 1024} KiB" for name, size in limits.items()}


def test_the_examples_are_taken(tmp_path: Path) -> None:
    for name in ("mirror.toml", "spot.toml", "lifetimes.toml"):
        (example,) = blocks(SECTIONS[name], "toml")
        (tmp_path / name).write_text(example)
    assert mirror.config.load(tmp_path / "mirror.toml").content
    assert load_settings(tmp_path / "spot.toml") != Settings()
    lifetimes = parse_lifetimes((tmp_path / "lifetimes.toml").read_bytes(), source="it", refusal=VaultError)
    assert lifetimes.days["client"] == 365


def test_what_the_page_for_ops_adds_to_a_configuration_is_taken(tmp_path: Path) -> None:
    (whole,) = blocks(SECTIONS["mirror.toml"], "toml")
    for added in blocks((DOCS / "ops.md").read_text(), "toml"):
        (tmp_path / "mirror.toml").write_text(f"{whole}{added.replace('[content]', '')}")
        config = mirror.config.load(tmp_path / "mirror.toml")
        assert all(getattr(config, table) for table in re.findall(r"^\[(\w+)\]", added, re.MULTILINE))


def test_what_init_shows_as_a_comment_is_taken(tmp_path: Path) -> None:
    table = TOML.partition("# [health]")[2]
    lines = re.findall(r"^# (\w+ = .*)$", table, re.MULTILINE)
    (tmp_path / "mirror.toml").write_text("\n".join(['realm = "build.example.com"', "[health]", *lines]))
    health = mirror.config.load(tmp_path / "mirror.toml").health
    assert health is not None
    assert health.token_file == str(tmp_path / "health-token")
