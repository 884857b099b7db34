"""What came of which certificate."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ca.descent import children, descendants
from ca.entry import Entry
from tests.ca.house import ENTRY


def entries(parents: list[int | None]) -> list[Entry]:
    return [
        msgspec.structs.replace(
            ENTRY,
            serial=f"{number:x}",
            parent=None if parent is None else f"{parent:x}",
            created=ENTRY.created + timedelta(seconds=number),
        )
        for number, parent in enumerate(parents)
    ]


def test_children_of_children_descend_too() -> None:
    family = entries([None, 0, 1, None, 3, 1])
    assert [one.serial for one in descendants(family, ["0"])] == ["1", "2", "5"]
    assert [one.serial for one in descendants(family, ["1", "3"])] == ["2", "4", "5"]
    assert [one.serial for one in children(family)["1"]] == ["2", "5"]
    assert descendants(family, ["2"]) == []
    assert "2" not in children(family)


@given(st.lists(st.none() | st.integers(0, 12), max_size=12), st.sets(st.integers(0, 12)))
def test_whoever_has_one_of_them_above_descends_from_it_and_nobody_else(
    parents: list[int | None], of: set[int]
) -> None:
    """Also where a damaged ledger goes in circles, or names a parent that is not there."""

    def is_below(number: int) -> bool:
        seen: set[int] = set()
        above = parents[number]
        while above is not None and above not in seen:
            if above in of:
                return True
            seen.add(above)
            above = parents[above] if above < len(parents) else None
        return False

    found = {int(one.serial, 16) for one in descendants(entries(parents), [f"{number:x}" for number in of])}
    assert found == {number for number in range(len(parents)) if is_below(number)} - of
