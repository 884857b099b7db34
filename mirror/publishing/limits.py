"""How much a source may hold, and the refusals of more."""

from pathlib import Path
from typing import Final

import msgspec

from mirror.errors import SourceError
from spot_client.wire.manifest import MAX_ENTRIES

_RATIO_FREE_BYTES: Final = 64 * 2**20  # below this much content no ratio harms
_MEMBER_OVERHEAD: Final = 2048  # bytes of headers and padding that a member of a tar archive has, generously


class Limits(msgspec.Struct, frozen=True):
    """How much is accepted: entries, bytes of content, and bytes of content for each byte of an archive."""

    entries: int = MAX_ENTRIES
    total_bytes: int = 64 * 2**30
    ratio: int = 250

    def check(self, entries: int, total: int) -> None:
        """Raise SourceError, reason `too-many` or `too-large`, if there is more than this."""
        if entries > self.entries:
            raise SourceError("too-many", f"The source has more than the {self.entries} entries a release may have.")
        if total > self.total_bytes:
            raise SourceError("too-large", f"The source has more than the {self.total_bytes} bytes a release may have.")

    def check_unpacked(self, source: Path, packed: int, unpacked: int) -> None:
        """Raise SourceError, reason `bomb`, if `packed` bytes of the archive `source` came to more than is likely."""
        if unpacked > max(packed * self.ratio, _RATIO_FREE_BYTES):
            hint = "unpack it to a folder and publish that."
            raise SourceError("bomb", f"{source} unpacks to more than {self.ratio} times its size: {hint}")

    def check_tar(self, length: int) -> None:
        """Raise SourceError, reason `too-large`, if a tar archive of `length` bytes must hold more than this."""
        self.check(0, length - self.entries * _MEMBER_OVERHEAD)
