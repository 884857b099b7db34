"""How `spot-mirror check` judges who signs for what in the catalogue. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ca.finding import Finding, good

_ALONE: Final = frozenset({"snapshot", "timestamp", "halts"})
_TWO: Final = (
    "Before you ship, let two people sign, each with a key of their own: 'spot-mirror keys assign', or a new mirror "
    "with --root-key and --person."
)


def judge_thresholds(thresholds: Mapping[str, int]) -> Finding:
    """How many people have to sign; one is fit for a first try only, but for halts, which can offer nothing."""
    single = sorted(role for role, number in thresholds.items() if number < 2 and role not in _ALONE)
    if not single:
        return good("Every release takes the signatures of two people or more.")
    what = f"One key is enough to sign as {', '.join(single)}: fit for development."
    return Finding("advice", "one-key", what, _TWO)


def judge_shared(shared: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Keys that speak for roles which have to be apart. `shared`: by key id, for which."""
    for keyid, roles in sorted(shared.items()):
        what = f"One key, {keyid[:12]}, signs for {' and '.join(roles)}: whoever has it has both."
        yield Finding("warning", "shared-key", what, "Give each a key of its own: 'spot-mirror keys assign'.")
    if not shared:
        yield good("Root, snapshot, timestamp and people have keys of their own.")
