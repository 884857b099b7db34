"""spot.toml, whatever stands in it: settings that keep every rule, or one refusal that names the file."""

import re
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client.config import Settings, load_settings
from spot_client.errors import RefusedLocally
from tests.drawn import texts, toml, toml_values
from tests.spot_client.wire.strategies import ids, mutated

here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # files are written

paths = st.text(st.characters(exclude_categories=["Cs"], min_codepoint=0x20), min_size=1, max_size=30)
PATHS = ("log_file", "site_list", "site_key")
WHOLE = {"keep": (2, 20), "timeout": (1, 600), "downloads": (1, 16), "min_rate": (16, 2**20), "deadline": (1, 720)}
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "channel": ids,
    "tls12": st.booleans(),
    **dict.fromkeys(PATHS, paths | st.sampled_from(["x" * 4096, "ü" * 4096])),
    **{name: st.integers(*limits) for name, limits in WHOLE.items()},
}
NEAR: dict[str, list[Any]] = {
    "channel": ["", "Beta", "a b", "-a", "a\n", "é", "a" * 63, "a" * 64],
    "tls12": [0, 1, "true", "", 1.0, []],
    **{name: ["", "x" * 4097, "a\nb", "a\0", "\x1f", "log\n", 0, False] for name in PATHS},
    **{name: [a - 1, a, b, b + 1, -b, float(a), str(a), True] for name, (a, b) in WHOLE.items()},
}
good_tables = st.fixed_dictionaries({}, optional=GOOD)

near = st.sampled_from([(name, value) for name, values in NEAR.items() for value in values])
any_value = st.tuples(st.sampled_from(sorted(GOOD)), toml_values)
tables = st.tuples(good_tables, near | any_value).map(lambda drawn: {**drawn[0], drawn[1][0]: drawn[1][1]})
strange = st.dictionaries(texts | st.sampled_from(["Keep", "chanel", "format"]), toml_values, max_size=2)


def is_kept(name: str, value: object) -> bool:
    """The rules of docs/reference/configuration.md, said once more."""
    if name in WHOLE:
        low, high = WHOLE[name]
        return type(value) is int and low <= value <= high
    if name == "tls12":
        return isinstance(value, bool)
    if not isinstance(value, str):
        return False
    if name == "channel":
        return re.fullmatch("[a-z0-9][a-z0-9-]{0,62}", value) is not None
    return name in PATHS and 1 <= len(value) <= 4096 and not any(char < " " for char in value)


def load(folder: Path, raw: bytes) -> Settings | None:
    """The settings that the file holds, which keep the rules; None where it is refused as it should be."""
    path = folder / "spot.toml"
    path.write_bytes(raw)
    try:
        found = load_settings(path)
    except RefusedLocally as error:
        refused = error
    else:
        chosen = msgspec.structs.asdict(found)
        assert all(is_kept(name, value) for name, value in chosen.items() if name not in PATHS or value is not None)
        return found
    assert refused.reason == "bad-config"
    assert str(path) in str(refused)
    assert str(refused).isprintable()
    return None


@here
@given(table=good_tables, comment=texts)
def test_whatever_is_valid_is_what_was_written(tmp_path: Path, table: dict[str, Any], comment: str) -> None:
    assert load(tmp_path, f"# {comment.encode('unicode_escape').decode()}\n{toml(table)}".encode()) == Settings(**table)


@settings(here, max_examples=400)
@given(tables=good_tables, changed=near)
def test_one_value_decides(tmp_path: Path, tables: dict[str, Any], changed: tuple[str, Any]) -> None:
    table = {**tables, changed[0]: changed[1]}
    assert load(tmp_path, toml(table).encode()) == (Settings(**table) if is_kept(*changed) else None)


@here
@given(table=tables, beside=st.just({}) | strange)
def test_values_of_every_kind_are_taken_where_they_keep_the_rules_and_refused_elsewhere(
    tmp_path: Path, table: dict[str, Any], beside: dict[str, Any]
) -> None:
    whole = {**beside, **table}
    kept = all(is_kept(name, value) for name, value in whole.items())
    assert load(tmp_path, toml(whole).encode()) == (Settings(**whole) if kept else None)


@here
@given(raw=tables.map(toml).map(str.encode).flatmap(mutated))
def test_whatever_is_done_to_its_bytes_it_keeps_the_rules_or_is_refused(tmp_path: Path, raw: bytes) -> None:
    load(tmp_path, raw)


LINES = ["[channel]", "[[keep]]", "keep.x = 1", "[keep.x]", "channel = '''", '"""', "keep = 2", "= 1", "tls12 = [", "}"]


@here
@given(raw=st.binary(max_size=60) | st.lists(st.sampled_from(LINES) | texts, max_size=5).map("\n".join).map(str.encode))
def test_any_bytes_are_settings_or_are_refused(tmp_path: Path, raw: bytes) -> None:
    load(tmp_path, raw)


def test_every_setting_is_drawn() -> None:
    assert set(GOOD) == set(NEAR) == set(Settings.__struct_fields__)
