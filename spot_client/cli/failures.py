"""Every expected failure as one sentence, a word for code, and an exit code. Pure."""

import errno
import sys
from typing import Any

import msgspec

from ca.errors import CaError
from spot_client.errors import LocalFault, NotEnrolled, RefusedLocally, SpotError
from spot_client.wire.errors import WireError

EXPECTED = (SpotError, CaError, WireError, OSError)
"""What a user, a disk or a peer can cause."""

DAMAGE_FOUND = 13
INTERRUPTED = 130


class Failure(msgspec.Struct, frozen=True):
    """`reason`: a stable kebab-case word; `message`: one sentence, with the next step."""

    reason: str
    message: str
    exit_code: int

    @property
    def shape(self) -> dict[str, Any]:
        """As --json prints it."""
        return {"reason": self.reason, "message": self.message, "exit_code": self.exit_code}


def check_encoding() -> None:
    """Refuse a locale in which names of files cannot be what releases say.

    Raises:
        LocalFault: reason `not-utf-8`.
    """
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        step = "Set LC_ALL=C.UTF-8, or PYTHONUTF8=1."
        raise LocalFault("not-utf-8", f"Names of files are UTF-8, and this locale says {encoding}. {step}")


def explain(error: SpotError | CaError | WireError | OSError) -> Failure:
    """What an error means to people and scripts."""
    if isinstance(error, SpotError):
        return Failure(error.reason, str(error), error.exit_code)
    if isinstance(error, CaError):
        message = f"The credentials of this installation cannot be used. {error}"
        return Failure(error.reason, message, NotEnrolled.exit_code)
    if isinstance(error, WireError):
        return Failure(error.reason, str(error), RefusedLocally.exit_code)
    what = f"{error.strerror or error} ({error.filename})" if error.filename else f"{error.strerror or error}"
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    step = "Make room on the disk" if full else "Put that right"
    message = f"This machine refused: {what}. {step}, and run it again."
    return Failure("disk-full" if full else "local", message, LocalFault.exit_code)


def interrupted(*, changing: bool) -> Failure:
    """What Ctrl-C means."""
    if not changing:
        return Failure("interrupted", "Stopped. Nothing was changed.", INTERRUPTED)
    return Failure(
        "interrupted",
        "Stopped. Every component is whole, at its old or its new version ('spot status' tells which). "
        "What was fetched is kept: the same command goes on from there.",
        INTERRUPTED,
    )
