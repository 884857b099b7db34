"""What can go wrong on an installed product.

    SpotError              a sentence for a person (str), a `reason` for code, an `exit_code` for scripts
    ├── NotTrusted         what was presented is not what the vendor signed or pinned: never retried
    │   └── OutOfDate      signed and pinned, but not at this machine's clock: expired, or the clock is wrong
    ├── NotReachable       no answer, or a broken one: asked again, then given up until later
    ├── NotSigned          the vendor has not signed yet what is needed: a later run goes on
    ├── Refused            the mirror answered, and said no, with a reason
    │   └── NotLicensed    no licence for this product, or no such product
    ├── RefusedLocally     SPOT itself will not do what was asked
    │   ├── NotEnrolled    there is no identity yet, or it is not whole
    │   └── Busy           another SPOT is at work on this installation
    └── LocalFault         this machine: disk full, no permission, a damaged state file

"Not trusted" and "not reachable" never share a parent below the root: the first must never lead to another try.
"""

from typing import ClassVar

from ca.errors import shown


class SpotError(Exception):
    """Root of the tree. `reason`: a stable kebab-case word; `str()`: one sentence with the next step, fit to show."""

    exit_code: ClassVar[int] = 1

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(shown(message))
        self.reason = reason


class NotTrusted(SpotError):
    """What was presented is not what the vendor signed or pinned. Never retried."""

    exit_code = 3


class OutOfDate(NotTrusted):
    """Signed and pinned, but not valid at this machine's clock."""

    exit_code = 11


class NotReachable(SpotError):
    """No answer, or a broken one. `wait`: for how many seconds the mirror asked not to be asked again, if it did."""

    exit_code = 4

    def __init__(self, reason: str, message: str, *, wait: float | None = None) -> None:
        super().__init__(reason, message)
        self.wait = wait


class NotSigned(SpotError):
    """The vendor has not signed this installation's certificate yet, and without it nothing can be done."""

    exit_code = 14


class Refused(SpotError):
    """The mirror answered and said no; `reason` is one of `spot_client.wire.problem.Reason`."""

    exit_code = 12


class NotLicensed(Refused):
    """No licence for this product, or no such product: the mirror does not tell which."""

    exit_code = 5


class RefusedLocally(SpotError):
    """SPOT itself will not do what was asked."""

    exit_code = 6


class NotEnrolled(RefusedLocally):
    """There is no identity yet, or it is not whole."""

    exit_code = 9


class Busy(RefusedLocally):
    """Another SPOT is at work on this installation."""

    exit_code = 7


class LocalFault(SpotError):
    """This machine: disk full, no permission, a damaged state file."""

    exit_code = 8
