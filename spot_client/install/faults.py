"""What this machine refuses, told with what it means for a change."""

import errno

from spot_client.errors import LocalFault, SpotError


def local_fault(error: OSError, meaning: str) -> LocalFault:
    """A sentence that begins with the `meaning` of a failure: reason `disk-full` or `local`."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return LocalFault("disk-full", f"{meaning}: the disk is full; make room and run it again{where}.")
    return LocalFault("local", f"{meaning}: {error.strerror or error}{where}.")


def reason_of(error: BaseException) -> str:
    """The reason that a history gives for a failure."""
    if isinstance(error, SpotError):
        return error.reason
    return "local" if isinstance(error, Exception) else "interrupted"


def not_recorded(what: str, error: OSError) -> LocalFault:
    """What came into use all the same, and could not be written down."""
    return LocalFault(
        "not-recorded",
        f"{what} is in use, but that could not be written down: {error.strerror}. "
        "Make room on the disk; the next run of SPOT records it.",
    )
