"""mirror.toml: whatever is valid is what was written, with every path made absolute; all else is refused by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror import config
from mirror.config import Config, Content, Publishing
from mirror.errors import ConfigError
from tests.drawn import toml, toml_values
from tests.spot_client.wire.strategies import ids, mutated

here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # files are written

files = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
lists = st.lists(files, min_size=1, max_size=3)
addresses = st.builds(
    "{}:{}".format,
    st.sampled_from(["127.0.0.1", "[::1]", "mirror.example.com"]),
    st.integers(0, 65_535) | st.sampled_from([0, 65_535]),
)
CONTENT = st.fixed_dictionaries(
    {
        "listen": st.lists(addresses, min_size=1, max_size=3),
        "certificate": files,
        "key": files,
        "issuing_cas": lists,
        "crls": lists,
    },
    optional={
        "min_tls": st.sampled_from(["1.2", "1.3"]),
        "crl_grace_days": st.integers(0, 90),
        "drain_seconds": st.integers(0, 3600),
        "reload_drain_seconds": st.integers(0, 86400),
        "log_addresses": st.booleans(),
    },
)
PUBLISHING = st.fixed_dictionaries({}, optional={"keys": files, "passphrase_file": files, "level": st.integers(1, 22)})
tables = st.fixed_dictionaries(
    {"realm": st.builds("{}.{}".format, ids, st.just("example.com")).filter(lambda realm: "-." not in realm)},
    optional={"data": files, "content": CONTENT, "publishing": PUBLISHING},
)
PATHS = ("certificate", "key", "issuing_cas", "crls", "keys", "passphrase_file", "data")


def load(folder: Path, raw: bytes) -> Config | None:
    """What the file says, which a struct of the same types takes; None where it is refused as it should be."""
    path = folder / "mirror.toml"
    path.write_bytes(raw)
    try:
        found = config.load(path)
    except ConfigError as error:
        refused = error
    else:
        msgspec.convert(msgspec.to_builtins(found), Config)
        return found
    assert refused.reason in {"not-toml", "bad-value"}
    assert str(path) in str(refused)
    str(refused).encode()
    return None


def absolute(folder: Path, table: dict[str, Any]) -> dict[str, Any]:
    """The table with its paths as `load` gives them."""
    return {key: _at(folder, value) if key in PATHS else value for key, value in table.items()}


def _at(folder: Path, value: str | Sequence[str]) -> str | tuple[str, ...]:
    return str(folder / value) if isinstance(value, str) else tuple(str(folder / one) for one in value)


@here
@given(table=tables)
def test_whatever_is_valid_is_what_was_written(tmp_path: Path, table: dict[str, Any]) -> None:
    found = load(tmp_path, toml(table).encode())
    expected = absolute(tmp_path, {"data": "data", **table})
    if "content" in table:
        content = absolute(tmp_path, table["content"])
        expected["content"] = Content(**{**content, "listen": tuple(content["listen"])})
    expected["publishing"] = Publishing(**absolute(tmp_path, {"keys": "keys", **table.get("publishing", {})}))
    assert found == Config(**expected)


NEAR: dict[str, list[Any]] = {
    "realm": ["localhost", "Build.example.com", "a..example.com", "-a.example.com", "a_b.example.com", "", 1],
    "data": ["", "a\0", "x" * 4097, 1],
    "content": [{}, [], ""],
    "publishing": [[], "keys", {"passphrase": "secret"}],
    "listen": [
        [],
        "127.0.0.1:1",
        ["127.0.0.1:65536"],
        ["::1:80"],
        ["[::1]:"],
        ["[::1]:\u0661"],
        ["a b:1"],
        ["a:1"] * 17,
    ],
    "certificate": ["", "a\0", ["a"]],
    "key": ["", "a\0", False],
    "issuing_cas": [[], [""], "a", ["a"] * 17],
    "crls": [[], ["a\0"], "a", ["a"] * 17],
    "min_tls": ["1.1", 1.2, "1.3 "],
    "crl_grace_days": [-1, 91, 7.0, "7", True],
    "drain_seconds": [-1, 3601, 30.0, False],
    "reload_drain_seconds": [-1, 86401, 30.0, False],
    "log_addresses": [0, 1, "true"],
    "keys": ["", "a\0", 1],
    "passphrase_file": ["", "a\0", "x" * 4097],
    "level": [0, 23, 7.5, True],
    "unknown": [1, {}, "x"],
}
PLACES: dict[str, tuple[str, ...]] = {
    "": ("realm", "data", "content", "publishing", "unknown"),
    "content": (
        *("listen", *PATHS[:4], "min_tls", "crl_grace_days", "drain_seconds", "reload_drain_seconds"),
        *("log_addresses", "unknown"),
    ),
    "publishing": ("keys", "passphrase_file", "level", "unknown"),
}


NEARLY = [(place, key, value) for place, keys in PLACES.items() for key in keys for value in NEAR[key]]
near = st.sampled_from(NEARLY)
any_value = st.tuples(st.just("content"), st.sampled_from(PLACES["content"]), toml_values)


@st.composite
def spoilt(draw: st.DrawFn, changes: st.SearchStrategy[tuple[str, str, Any]]) -> str:
    """A configuration with one value exchanged, or one too many."""
    table: dict[str, Any] = {**draw(tables), "content": {**draw(CONTENT)}, "publishing": {**draw(PUBLISHING)}}
    place, key, value = draw(changes)
    (table[place] if place else table)[key] = value
    return toml(table)


@settings(here, max_examples=300)
@given(text=spoilt(near))
def test_one_value_that_cannot_be_is_enough_for_a_refusal(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text.encode()) is None


@here
@given(raw=spoilt(any_value).map(str.encode) | tables.map(toml).map(str.encode).flatmap(mutated))
def test_whatever_was_done_to_it_it_is_a_configuration_or_refused(tmp_path: Path, raw: bytes) -> None:
    load(tmp_path, raw)
