"""Which files of a tree are `config` and which are `state`: said by patterns, as in a .gitignore file.

A pattern without a slash fits a name anywhere, one with a slash begins at the top; `*` stays within a folder, `**` does
not; a folder stands for all below it; `!PATTERN` takes back what those before it named. So that a slip is noticed,
each pattern has to fit a file, and no file may be of two kinds. Reasons:

    bad-pattern   no pattern, a comment, or so many stars that it could be tried for hours on one path
    no-match      a pattern that fits no file of the source, or takes none back; a folder without files has no kind
    two-kinds     a file that is named as both
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.base import GitIgnorePatternError

from mirror.errors import SourceError
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, Tree
from spot_client.wire.manifest import Kind

_MAX_STARS: Final = 4
_MAX_DEEP: Final = 3
# Each star of a name beyond its first, and each `**`, multiplies the ways in which one path is tried by its length. The
# worst paths that a release may have take some seconds with as many as these, and hours with two more.


def assign(tree: Tree, config: Sequence[str], state: Sequence[str]) -> Tree:
    """`tree`, its files of the kinds that the patterns give them.

    Raises:
        SourceError: a reason of the module's docstring.
    """
    if not (config or state):
        return tree
    named = {kind: _named(tree, patterns, kind) for kind, patterns in ((Kind.CONFIG, config), (Kind.STATE, state))}
    both = sorted(named[Kind.CONFIG] & named[Kind.STATE])
    if both:
        hint = "Narrow one of the patterns, or take the file back with '!PATTERN'."
        raise SourceError("two-kinds", f"{both[0]!r} is named as config and as state. {hint}")
    kinds = {path: kind for kind, paths in named.items() for path in paths}
    entries = tuple(_of_kind(entry, kinds.get(entry.path, Kind.FILE)) for entry in tree.entries)
    return msgspec.structs.replace(tree, entries=entries)


def _named(tree: Tree, patterns: Sequence[str], kind: Kind) -> set[str]:
    paths = [file.path for file in tree.files]
    for before, pattern in enumerate(patterns):
        _check_stars(pattern)
        spec = _spec([pattern.removeprefix("!")], pattern)
        if next(spec.match_files(paths), None) is None:
            raise SourceError("no-match", _no_match(tree, pattern, kind))
        if pattern.startswith("!") and _matched(patterns[:before], paths) == _matched(patterns[: before + 1], paths):
            hint = "those before it name no such file."
            raise SourceError("no-match", f"The {kind.value} pattern {pattern!r} takes no file back: {hint}")
    return _matched(patterns, paths)


def _matched(patterns: Sequence[str], paths: Sequence[str]) -> set[str]:
    return set(_spec(patterns, " ".join(patterns)).match_files(paths))


def _check_stars(pattern: str) -> None:
    names = re.sub(r"\\.", "", pattern.removeprefix("!")).split("/")
    stars = sum(name.count("*") for name in names if name != "**" and name.count("*") > 1)
    if stars > _MAX_STARS or names.count("**") > _MAX_DEEP:
        limits = f"{_MAX_STARS} are allowed in names that have several, and {_MAX_DEEP} times '**'"
        raise SourceError("bad-pattern", f"{pattern[:80]!r} has too many stars: {limits}. Divide it into several.")


def folders(paths: Iterable[str], pattern: str) -> set[str]:
    """The folders among `paths` that a pattern stands for; none for one that takes back."""
    if pattern.startswith("!"):
        return set()
    spec = _spec([pattern], pattern)
    return {path for path in paths if spec.match_file(f"{path}/")}


def _no_match(tree: Tree, pattern: str, kind: Kind) -> str:
    empty = folders((entry.path for entry in tree.entries if isinstance(entry, SourceFolder)), pattern)
    if empty:
        return (
            f"The {kind.value} pattern {pattern!r} fits {f'{min(empty)}/'!r}, which has no file in it: "
            f"an empty folder needs a file in it to be {kind.value}, for instance an empty one."
        )
    return f"No file of the source fits the {kind.value} pattern {pattern!r}: look at it again."


def _spec(patterns: Sequence[str], said: str) -> GitIgnoreSpec:
    refusal = SourceError("bad-pattern", f"{said!r} is no pattern: write one as in a .gitignore file, such as 'etc/*'.")
    try:
        spec = GitIgnoreSpec.from_lines(patterns, backend="simple")  # one engine: the same answer on every machine
    except (GitIgnorePatternError, ValueError) as error:
        raise refusal from error
    if len(spec.patterns) < len(patterns) or any(pattern.include is None for pattern in spec.patterns):
        raise refusal
    return spec


def _of_kind(entry: SourceEntry, kind: Kind) -> SourceEntry:
    return msgspec.structs.replace(entry, kind=kind) if isinstance(entry, SourceFile) else entry
