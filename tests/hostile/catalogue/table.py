"""The one table of attacks on the catalogue: attack, named reason, the guard that stops it, and the test.

An attack is a generator: it does its evil, yields, SPOT runs and is held to the table, and what follows the `yield`
makes an end of it, where the mirror being honest again is not enough. Then SPOT must get 1.1.

`make guards` disables each guard in turn and shows the tests of its attacks red; docs/threat-model.md is held to the
table by tests/docs/test_threat_model.py.
"""

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from tests.hostile.catalogue.guards import Guard
from tests.hostile.catalogue.stage import Stage

Story = Callable[[Stage], Iterator[None]]


class Outcome(Enum):
    """How the run of SPOT under attack ends. Whichever it is: what the vendor did not release is not installed."""

    STOPPED = "stopped"
    """SPOT fails with the reason, and 1.0 stays in use."""
    UPDATED = "updated"
    """SPOT gets 1.1 all the same; where there is a reason, it warns of the mirror and names it."""
    HELD = "held"
    """SPOT finds nothing to do, and 1.0 stays in use: this is how far the attack gets."""


class Attack(NamedTuple):
    """A row of the table.

    family: of attacks, as the specification of TUF or issue 4 names it.
    reason: as in `--json`; "" where SPOT has nothing to complain of.
    beside: there is a good mirror beside the hostile one.
    command: what SPOT is asked for under attack.
    """

    family: str
    name: str
    says: str
    outcome: Outcome
    reason: str
    guard: Guard
    story: Story
    beside: bool = False
    command: tuple[str, ...] = ("update",)

    @property
    def test(self) -> str:
        """The test that shows it, as pytest names it."""
        return f"tests/hostile/catalogue/test_attacks.py::test_attack[{self.name}]"


ATTACKS: Final[list[Attack]] = []


def attack(
    family: str,
    says: str,
    *,
    guard: Guard,
    stopped: str | None = None,
    updated: bool = False,
    warned: str = "",
    beside: bool = False,
    command: tuple[str, ...] = ("update",),
) -> Callable[[Story], Story]:
    """Put a story into the table, under the function's name.

    Args:
        says: the attack in one sentence.
        stopped: the reason with which SPOT stops; None: it does not.
        updated: SPOT gets the update; else it finds nothing to do.
        warned: the reason in the warning that names the hostile mirror.
    """

    def note(story: Story) -> Story:
        name = getattr(story, "__name__").replace("_", "-")  # noqa: B009
        outcome = Outcome.STOPPED if stopped else Outcome.UPDATED if updated else Outcome.HELD
        row = Attack(family, name, says, outcome, stopped or warned, guard, story, beside, command)
        ATTACKS.append(row)
        return story

    return note
