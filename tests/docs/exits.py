"""Every exit code that a program of ours can end with, as the source has them, and as its help tells them.

An exit code is written in one of four ways: as `exit_code` of a class, as a number or a named one that is given to
`exit`, `Exit` or `Failure`, in a table `_EXIT_CODES`, or in a function `_exit_code`. Click adds 0 and 2.
"""

import ast
import re
from collections.abc import Iterator
from typing import Final

import click

from tests.house.source import trees, within

PACKAGES: Final = {"spot": "spot_client", "spot-ca": "ca", "spot-mirror": "mirror"}
_ENDS: Final = {"exit", "Exit", "Failure"}
_CLICK: Final = {0, 2}


def told(command: click.Command) -> set[int]:
    """The exit codes that a help lists."""
    _, _, listed = (command.epilog or "").partition("Exit codes:")
    return {int(code) for code in re.findall(r"^ +(\d+)  ", listed, re.MULTILINE)}


def in_code(program: str) -> set[int]:
    """The exit codes that the source of a program has."""
    package = PACKAGES[program]
    found = set(_CLICK)
    for name, tree in trees().items():
        if within(name, package):
            for node in ast.walk(tree):
                found |= {code for expr in _exits(node) for code in _numbers(expr, package)}
    return found


def _exits(node: ast.AST) -> Iterator[ast.expr]:
    """What a node says about exit codes, if anything."""
    match node:
        case ast.ClassDef(body=body):
            yield from (one.value for one in body if isinstance(one, ast.Assign) and _is(one.targets[0], "exit_code"))
        case ast.AnnAssign(target=ast.Name(id="_EXIT_CODES"), value=ast.expr() as table):
            yield from (part for row in ast.walk(table) if isinstance(row, ast.Tuple) for part in row.elts)
        case ast.FunctionDef(name="_exit_code"):
            yield from (one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=args) if name in _ENDS:
            yield from args
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id="code"), *_])], value=ast.Tuple(elts=[value, *_])):
            yield value


def _numbers(expr: ast.expr, package: str) -> Iterator[int]:
    if isinstance(expr, ast.Constant) and type(expr.value) is int:
        yield expr.value
    elif isinstance(expr, ast.Name) and expr.id.isupper():
        yield from (code for name, tree in trees().items() if within(name, package) for code in _named(tree, expr.id))


def _named(tree: ast.Module, name: str) -> Iterator[int]:
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if _is(target, name) and isinstance(value, ast.Constant) and isinstance(value.value, int):
            yield value.value


def _is(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
