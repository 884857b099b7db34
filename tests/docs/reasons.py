"""Every reason that an error of ours can carry, and every code of a finding, as the source has them.

A reason is the first argument of an error. Where that is no constant, it is followed: through a variable to what was
assigned, through a parameter to every call, into a table. One that is handed on from another error stands where that
one was made. What cannot be followed is refused, so that no reason escapes: write it in a way that can.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain, product
from typing import Final

from tests.house.source import imports, trees, within

_ROOTS: Final = {"CaError", "MirrorError", "SpotError", "WireError", "Failure"}
_HANDED_ON: Final = {"reason", "value"}
_ANSWER: Final = "mirror.content.problems:Refused"  # carries a member of Reason, which has a section of its own
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Module:
    """A module's syntax tree, and for each node the function around it."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self.name = name
        self.tree = tree
        self.within: dict[ast.AST, ast.AST] = {tree: tree}
        self._place(tree, tree)

    def _place(self, node: ast.AST, around: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.within[child] = around
            self._place(child, child if isinstance(child, _FUNCTIONS) else around)


def reasons() -> Mapping[str, dict[str, set[str]]]:
    """By the room where they are made (see `_room`), each reason with the classes that carry it.

    A class that a caller chooses (`ca.files.read_file` raises what it is told to) goes by the parameter's name.
    """
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in _modules():
        for call in _calls(module):
            if _makes(module, call):
                for reason in _values(module, call.args[0]):
                    found[_room(module)][reason].add(_name(call.func))
    return found


def findings() -> Mapping[str, dict[str, set[str]]]:
    """The codes of what `check` finds, by room, each with its severities."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for module in _modules():
        for call in _calls(module):
            if _name(call.func) == "Finding":
                for code in _values(module, call.args[1]):
                    found[_room(module)][code] |= _values(module, call.args[0])
    return found


@cache
def _errors() -> frozenset[str]:
    """The classes that carry a reason."""
    known = set(_ROOTS)
    classes = [node for module in _modules() for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef)]
    while more := {one.name for one in classes if known & set(map(_name, one.bases))} - known:
        known |= more
    return frozenset(known)


@cache
def _modules() -> tuple[_Module, ...]:
    return tuple(_Module(name, tree) for name, tree in trees().items())


def _room(module: _Module) -> str:
    """`ca`, `mirror`, `spot_client`; and `wire`, which all of them speak."""
    return "wire" if within(module.name, "spot_client.wire") else module.name.partition(".")[0]


def _calls(module: _Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(module.tree) if isinstance(node, ast.Call) and node.args)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _makes(module: _Module, call: ast.Call) -> bool:
    """Whether a call makes an error: by its name, or by a variable or parameter that stands for some."""
    classes = _errors()
    if _name(call.func) in classes:
        return not (_name(call.func) == "Refused" and _ANSWER in imports(module.name))
    if not isinstance(call.func, ast.Name):
        return False
    function = module.within[call]
    told = [one.annotation for one in _parameters(function) if one.arg == call.func.id and one.annotation]
    bound = [value for value, _ in _assigned(function, call.func.id) if isinstance(value, ast.IfExp | ast.Name)]
    return any(
        _name(node) in classes for root in [*told, *bound] for node in ast.walk(root) if isinstance(node, ast.expr)
    )


def _values(module: _Module, expr: ast.expr, place: int | None = None) -> set[str]:
    """What an expression can be; `place`: the element of it, where it is a tuple."""
    match expr:
        case ast.Constant(value=str(text)) if place is None:
            return {text}
        case ast.Attribute(attr=attribute) if attribute in _HANDED_ON:
            return set()
        case ast.JoinedStr(values=parts):
            return {"".join(said) for said in product(*(_part(module, part) for part in parts))}
        case ast.Call():
            return _answered(module, expr, place)
        case ast.Name():
            return _bound(module, expr, place)
        case ast.IfExp() | ast.Dict() | ast.Tuple():
            return set().union(*(_values(module, one, below) for one, below in _branches(expr, place)))
    raise _lost(module, expr)


def _branches(expr: ast.expr, place: int | None) -> list[tuple[ast.expr, int | None]]:
    match expr:
        case ast.IfExp(body=one, orelse=other):
            return [(one, place), (other, place)]
        case ast.Tuple(elts=elements) if place is not None:
            return [(elements[place], None)]
        case ast.Dict(values=values):
            return [(value, place) for value in values]
    return []


def _answered(module: _Module, call: ast.Call, place: int | None) -> set[str]:
    """What a call can answer: of a table, of another error, of the mirror."""
    match call:
        case ast.Call(func=ast.Attribute(attr="get", value=table), args=[_, default]):
            return _values(module, table, place) | _values(module, default, place)
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value="reason"), default]):
            return _values(module, default, place)
        case ast.Call(func=ast.Attribute(attr="read_reason")):  # a member of Reason
            return set()
    raise _lost(module, call)


def _lost(module: _Module, expr: ast.expr) -> AssertionError:
    return AssertionError(f"{module.name}, line {expr.lineno}: this reason cannot be followed: {ast.unparse(expr)}")


def _part(module: _Module, part: ast.expr) -> set[str]:
    """What stands at a place of an f-string; what only a run can tell, in capitals."""
    if not isinstance(part, ast.FormattedValue):
        return _values(module, part)
    assigned = isinstance(part.value, ast.Name) and _assigned(module.within[part.value], part.value.id)
    return _values(module, part.value) if assigned else {_name(part.value).upper()}


def _bound(module: _Module, name: ast.Name, place: int | None) -> set[str]:
    function = module.within[name]
    if name.id in {one.arg for one in _parameters(function)}:
        return _given(function, name.id)
    found = _assigned(function, name.id) or _assigned(module.tree, name.id)
    assert found, f"{module.name}, line {name.lineno}: nothing is assigned to {name.id}"
    return set().union(*(_values(module, value, place if at is None else at) for value, at in found))


def _assigned(scope: ast.AST, name: str) -> list[tuple[ast.expr, int | None]]:
    """What is assigned to a name in a scope, each with the element that it is of the value."""
    found: list[tuple[ast.expr, int | None]] = []
    for node in ast.walk(scope):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if not isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) or value is None:
            continue
        for target in targets:
            if isinstance(target, ast.Name) and target.id == name:
                found.append((value, None))
            elif isinstance(target, ast.Tuple):
                found += [(value, at) for at, part in enumerate(target.elts) if _name(part) == name]
    return found


def _parameters(function: ast.AST) -> list[ast.arg]:
    if not isinstance(function, _FUNCTIONS):
        return []
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _given(function: ast.AST, parameter: str) -> set[str]:
    """What all calls of a function, and its defaults, give to a parameter."""
    assert isinstance(function, _FUNCTIONS)
    names = [one.arg for one in _parameters(function)]
    at = names.index(parameter) - (names[0] in {"self", "cls"})
    arguments = function.args
    defaults = zip(reversed(arguments.args), reversed(arguments.defaults), strict=False)
    keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    home = next(module for module in _modules() if function in module.within)
    found = [_values(home, value) for one, value in chain(defaults, keywords) if one.arg == parameter and value]
    for module in _modules():
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            if _name(call.func) == function.name:
                named = [keyword.value for keyword in call.keywords if keyword.arg == parameter]
                found += [_values(module, value) for value in named] or _placed(module, call, at)
    return set().union(*found)


def _placed(module: _Module, call: ast.Call, at: int) -> list[set[str]]:
    """What a call gives at a place, from a tuple that is spread over the places, too."""
    for place, value in enumerate(call.args[: at + 1]):
        if isinstance(value, ast.Starred):
            return [_values(module, value.value, at - place)]
    return [_values(module, value) for value in call.args[at : at + 1]]
