"""Small and plain: nothing so long that it cannot be read in one go, nothing with more names than one remembers."""

import ast

from tests.house.source import ROOT, trees

MAX_MODULE = 300  # lines, all of them
MAX_FUNCTION = 40  # lines without decorators and docstring
MAX_NAMES = 8  # public functions and classes; constants and aliases of types are not counted
CROWDED = {"spot_client.wire.manifest": 10}  # one format with all its parts; a change of the number is to be argued

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines(function: Function) -> int:
    whole = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    said = ast.get_docstring(function) is not None
    return whole - ((first.end_lineno or first.lineno) - first.lineno + 1 if said else 0)


def is_command(function: ast.stmt) -> bool:
    """A command of click: its decorators say so, and it is found by its word on the command line, not by its name."""
    names = ast.walk(ast.Module([ast.Expr(item) for item in getattr(function, "decorator_list", [])], []))
    return any(isinstance(node, ast.Attribute) and node.attr in {"command", "group"} for node in names)


def test_a_module_is_read_in_one_go() -> None:
    long = {}
    for path in (path for package in ("ca", "mirror", "spot_client") for path in (ROOT / package).rglob("*.py")):
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > MAX_MODULE:
            long[str(path.relative_to(ROOT))] = count
    assert long == {}


def test_a_function_fits_on_a_screen() -> None:
    functions = {
        f"{module}, {node.name}": lines(node)
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, Function)
    }
    assert {name: count for name, count in functions.items() if count > MAX_FUNCTION} == {}


def test_a_module_has_few_public_names() -> None:
    crowded = {}
    for module, tree in trees().items():
        names = [
            node.name
            for node in tree.body
            if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and not is_command(node)
        ]
        if len(names) > MAX_NAMES and not module.endswith(".errors"):
            crowded[module] = len(names)
    assert crowded == CROWDED
