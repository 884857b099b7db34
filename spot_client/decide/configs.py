"""What becomes of configuration files: what was shipped, what lies there, what is new → `fate`. Pure.

Configuration lies in each version's tree. What was changed there goes along into the next tree.
"""

from enum import Enum

import msgspec

from spot_client.wire.manifest import File, Kind, Manifest
from spot_client.wire.portable import NEW_CONFIG_SUFFIX

_MAX_NAME = 255  # bytes


class Regular(msgspec.Struct, frozen=True):
    """A regular file with this content."""

    sha256: str


class Link(msgspec.Struct, frozen=True):
    """A symbolic link with this target."""

    target: str


class Odd(msgspec.Struct, frozen=True):
    """Something else; `what` says what, for people."""

    what: str


Found = Regular | Link | Odd | None
"""What lies at a path; None: nothing."""


class Fate(Enum):
    """What becomes of a configuration file when a new tree is made."""

    REPLACE = "replace"
    """It was not changed here: the new release's goes in its place, if there is one."""
    KEEP = "keep"
    """It stays, and the new release brings nothing new for it."""
    BESIDE = "beside"
    """It stays, and the new release's lies beside it."""
    DELETE = "delete"
    """It was deleted here, and stays so."""
    SAVE = "save"
    """The new release has no such configuration file: it is saved outside the versions."""
    REFUSE = "refuse"
    """What stands in its place can neither be carried nor be thrown away: a person has to look."""


def fate(base: str | Link | None, ours: Found, theirs: str | None, *, pending: bool) -> Fate:
    """Decide about one path.

    Args:
        base: digest of what the release in use shipped there, or its link; None if it did not, or nobody knows.
        ours: what lies there.
        theirs: digest of the new release's configuration file; None if it has none there.
        pending: the new one of an earlier release still lies beside it.
    """
    if isinstance(ours, Odd):
        return Fate.REFUSE if base else Fate.REPLACE
    if ours is None:
        return Fate.DELETE if base and theirs else Fate.REPLACE
    if ours == (base if isinstance(base, Link) else Regular(base or "")):
        return Fate.REPLACE
    if theirs is None:
        return Fate.SAVE
    news = theirs != base or pending
    return Fate.BESIDE if news and ours != Regular(theirs) else Fate.KEEP


def beside(path: str) -> str:
    """Where the new one of a changed configuration file lies; a name that has no room for the ending is cut."""
    folder, slash, name = path.rpartition("/")
    cut = name.encode()[: _MAX_NAME - len(NEW_CONFIG_SUFFIX)].decode(errors="ignore")
    return f"{folder}{slash}{cut}{NEW_CONFIG_SUFFIX}"


def configs(manifest: Manifest) -> dict[str, File]:
    """The configuration files of a release, by path."""
    return {file.path: file for file in manifest.files if file.kind is Kind.CONFIG}
