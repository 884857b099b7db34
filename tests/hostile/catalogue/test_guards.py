"""The list of guards is that of the code: each text is there once, and stands in the function that the table names."""

import ast
from collections.abc import Iterator

import pytest

from tests.hostile.catalogue import attacks, guards
from tests.hostile.catalogue.disable import ROOT, source_of, without
from tests.hostile.catalogue.guards import NOTHING, Guard
from tests.hostile.catalogue.table import Outcome

ALL = {name: guard for name, guard in vars(guards).items() if isinstance(guard, Guard) and guard is not NOTHING}

PRESENT = {attack.guard for attack in attacks.ALL}
MISSING = {attack.guard for attack in attacks.ALL} - PRESENT


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, int, int]]:
    """Every function and class, by the name that the table uses: first and last line."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name, node.lineno, node.end_lineno or node.lineno
            yield from functions(node, f"{prefix}{node.name}.")


@pytest.mark.parametrize("name", [name for name, guard in ALL.items() if guard not in MISSING])
def test_a_guard_is_there_exactly_once_in_its_function(name: str) -> None:
    guard = ALL[name]
    text = source_of(guard, ROOT).read_text(encoding="utf-8")
    changed = without(guard, text)
    assert guard.change is not None
    line = text[: text.index(guard.change[0])].count("\n") + 1
    inside = {found for found, first, last in functions(ast.parse(text)) if first <= line <= last}
    assert any(found == guard.function or found.endswith(f".{guard.function}") for found in inside)
    assert changed != text
    ast.parse(changed)


def test_each_guard_stops_an_attack_and_where_nothing_does_the_attack_gets_nowhere_else() -> None:
    used = {attack.guard for attack in attacks.ALL}
    behind = {guard.behind for guard in used if guard.behind}
    assert (used | behind) - {NOTHING} == set(ALL.values())
    assert all(attack.outcome is Outcome.HELD for attack in attacks.ALL if attack.guard is NOTHING)


def test_a_guard_whose_text_is_not_there_once_is_refused() -> None:
    guard = next(iter(ALL.values()))
    assert guard.change is not None
    for text in ("", guard.change[0] * 2):
        with pytest.raises(ValueError, match="exactly once"):
            without(guard, text)
