"""Thin snapshots compared and counted."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from mirror.records.protocol import Installation, ThinSnapshot
from mirror.support.fleet import Change, Kind, at, diff, users
from spot_client.wire.errors import BadName

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPPOSITE = {
    Kind.ADDED: Kind.REMOVED,
    Kind.REMOVED: Kind.ADDED,
    Kind.UP: Kind.DOWN,
    Kind.DOWN: Kind.UP,
    Kind.RESPELLED: Kind.RESPELLED,
}

versions = st.from_regex(
    r"([1-9]!)?(0|[1-9][0-9]?)(\.(0|[1-9][0-9]?)){0,2}((a|b|rc)[0-9])?(\.dev[1-9])?", fullmatch=True
)
components = st.dictionaries(st.sampled_from(["sdk/a", "sdk/b", "science/a", "tools/x"]), versions)


def line(installation: str, components: dict[str, str], first: datetime = NOON, last: datetime = NOON) -> ThinSnapshot:
    return ThinSnapshot(installation, components, first, last)


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (None, "1.0", Kind.ADDED),
        ("1.0", None, Kind.REMOVED),
        ("1.9", "1.10", Kind.UP),
        ("1.10", "1.9", Kind.DOWN),
        ("2.0rc1", "2.0", Kind.UP),
        ("2.0", "2.0.dev1", Kind.DOWN),
        ("2026.1", "1!1.0", Kind.UP),
        ("1.0", "1.0+local.1", Kind.UP),
        ("1.0", "1.0.0", Kind.RESPELLED),
    ],
)
def test_a_change_is_named_by_the_order_of_pep_440(old: str | None, new: str | None, kind: Kind) -> None:
    before = {} if old is None else {"sdk/botocore": old}
    after = {} if new is None else {"sdk/botocore": new}
    assert diff(before, after) == (Change("sdk/botocore", kind, old, new),)


@given(components, components)
def test_the_changes_lead_from_the_old_versions_to_the_new_and_name_nothing_else(
    old: dict[str, str], new: dict[str, str]
) -> None:
    changes = diff(old, new)
    names = [change.component for change in changes]
    assert names == sorted(set(names))
    result = {name: version for name, version in old.items() if name not in names}
    for change in changes:
        assert change.old == old.get(change.component)
        assert change.old != change.new
        if change.new is not None:
            result[change.component] = change.new
    assert result == new


@given(components, components)
def test_the_way_back_is_the_opposite_of_the_way_there(old: dict[str, str], new: dict[str, str]) -> None:
    back = tuple(Change(there.component, OPPOSITE[there.kind], there.new, there.old) for there in diff(old, new))
    assert diff(new, old) == back


@given(versions, versions)
def test_up_means_a_greater_version(old: str, new: str) -> None:
    kinds = {change.kind for change in diff({"sdk/a": old}, {"sdk/a": new})}
    assert (Kind.UP in kinds) == (Version(old) < Version(new))
    assert (Kind.DOWN in kinds) == (Version(old) > Version(new))


def test_what_is_no_version_is_refused() -> None:
    with pytest.raises(BadName) as caught:
        diff({"sdk/a": "newest"}, {"sdk/a": "1.0"})
    assert caught.value.reason == "bad-version"


def test_the_versions_at_a_moment_are_those_of_the_newest_line_that_had_begun() -> None:
    hour = timedelta(hours=1)
    first = line("i", {"sdk/a": "1"}, NOON, NOON + hour)
    second = line("i", {"sdk/a": "2"}, NOON + 3 * hour, NOON + 4 * hour)
    history = [second, first]
    assert at(history, NOON - hour) is None
    assert at(history, NOON) == first
    assert at(history, NOON + 2 * hour) == first
    assert at(history, NOON + 3 * hour) == second
    assert at(history, NOON + 9 * hour) == second
    assert at([], NOON) is None


def test_an_installation_counts_once_for_each_product_it_has_and_for_its_customer_only() -> None:
    installations = [Installation(name, customer, NOON, NOON, NOON) for name, customer in ("aA", "bA", "cB", "dB")]
    newest = [
        line("a", {"sdk/x": "1", "sdk/y": "1", "science/z": "1"}),
        line("b", {"sdk/x": "2"}),
        line("c", {"sdk/x": "1"}),
        line("d", {}),
        line("enrolled-since", {"sdk/x": "1"}),
    ]
    assert users(installations, newest) == {("A", "sdk"): 2, ("A", "science"): 1, ("B", "sdk"): 1}
