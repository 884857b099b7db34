"""What a look over a CA or a mirror finds: the form of a finding, its rank, and how it is printed. Pure."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

Severity = Literal["ok", "advice", "warning", "problem"]
SEVERITIES: Final[tuple[Severity, ...]] = ("ok", "advice", "warning", "problem")
"""From the mildest to the worst."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    code: a stable kebab-case word; `good` for all that is ok.
    what: one sentence. next: what to do about it; empty for what is ok, and where `what` says it already.
    """

    severity: Severity
    code: str
    what: str
    next: str = ""

    @property
    def matters(self) -> bool:
        """Whether somebody has to act: a warning or a problem."""
        return self.severity in {"warning", "problem"}

    @property
    def text(self) -> str:
        """One line, and one more if there is something to do."""
        line = f"{self.severity:7}  {self.what}"
        return f"{line}\n{'':7}  {self.next}" if self.next else line


def good(what: str) -> Finding:
    """Something that is as it should be."""
    return Finding("ok", "good", what)


def worst(findings: Iterable[Finding]) -> Severity:
    """The severity of the worst of them; `ok` of none."""
    return SEVERITIES[max((SEVERITIES.index(finding.severity) for finding in findings), default=0)]
