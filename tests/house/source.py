"""The source of the three packages as syntax trees: what imports what, and what is written there."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("ca", "mirror", "spot_client")


@cache
def trees() -> Mapping[str, ast.Module]:
    """The syntax tree of every module of ours, by its dotted name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {_name(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in paths}


@cache
def imports(module: str) -> frozenset[str]:
    """What `module` imports anywhere in its text: modules as `a.b`, names taken out of a module as `a.b:name`."""
    return frozenset(_imports(trees()[module]))


def origin(imported: str) -> str:
    """The module that an import leads to: `a.b` for both `a.b` and `a.b:name`."""
    return imported.partition(":")[0]


def ours(module: str) -> frozenset[str]:
    """The modules of ours that `module` imports."""
    return frozenset(name for name in map(origin, imports(module)) if within(name, *PACKAGES))


def foreign(module: str) -> frozenset[str]:
    """What `module` imports from the standard library and from distributions of others."""
    return frozenset(name for name in imports(module) if not within(origin(name), *PACKAGES))


def within(name: str, *packages: str) -> bool:
    """Whether `name` is one of `packages` or lies in one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def closure(module: str) -> frozenset[str]:
    """`module` and everything of ours that is loaded with it."""
    found: set[str] = set()
    ahead = {module}
    while ahead:
        name = ahead.pop()
        found.add(name)
        packages = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
        ahead |= (ours(name) | packages) - found
    return frozenset(found)


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            assert node.level == 0, f"relative import in line {node.lineno}: these tests read whole names only"
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield whole if whole in trees() else f"{base}:{alias.name}"
