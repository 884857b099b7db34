"""What is to be published, with what, and what came of it. Values only."""

from datetime import datetime
from enum import Enum

import msgspec

from mirror.place import Place
from mirror.publishing.limits import Limits
from mirror.publishing.tree import Form, Progress
from mirror.signing.candidate import Wait
from mirror.signing.means import Signing
from spot_client.wire.index import Release, Severity
from spot_client.wire.sealed import Seal


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be published.

    `requires`: version specifiers by `PRODUCT/COMPONENT`. `config`, `state`: patterns of the files of these kinds
    (`mirror.publishing.kinds`). `opaque`: an archive is taken as one file, too.
    """

    product: str
    component: str
    version: str
    platform: str
    channels: tuple[str, ...]
    severity: Severity = Severity.FEATURE
    restart: bool = False
    notes: str = ""
    requires: dict[str, str] = {}
    config: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    opaque: bool = False

    @property
    def name(self) -> str:
        """The release in words."""
        return f"{self.product}/{self.component} {self.version} ({self.platform})"

    @property
    def key(self) -> str:
        """The common beginning of its blobs' keys."""
        return f"releases/{self.product}/{self.component}/{self.version}/{self.platform}"

    def release(self, seal: Seal, now: datetime) -> Release:
        """The line of the index for it."""
        return Release(
            version=self.version,
            platform=self.platform,
            channels=tuple(sorted(set(self.channels))),
            manifest=seal,
            severity=self.severity,
            published=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            restart=self.restart,
            notes=self.notes,
            requires=self.requires,
        )


class State(Enum):
    """What came of an order."""

    PUBLISHED = "published"
    STAGED = "staged: it waits for approval"
    PROMOTED = "promoted"
    ALREADY = "already published"
    DRY_RUN = "nothing done"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order.

    `form`: what the source was read as. `files`, `config`, `state_files`: how many files there are, and of the kinds.
    Sizes in bytes; `stored`: the pack's. `version`: the catalogue's that clients see. `head`: the manifest's digest, by
    which people know the release when they sign; empty where none was made. `waits`: for whose signatures. `notes`: for
    people.
    """

    state: State
    channels: tuple[str, ...]
    form: Form
    files: int
    config: int
    state_files: int
    size: int
    stored: int
    version: int
    head: str = ""
    waits: tuple[Wait, ...] = ()
    notes: tuple[str, ...] = ()


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing works with. `level`: of zstd; `workers`: blocks compressed at once."""

    signing: Signing
    level: int
    workers: int
    limits: Limits = Limits()
    progress: Progress = lambda _what, _done, _total: None

    @property
    def place(self) -> Place:
        """Where all of it lies."""
        return self.signing.place

    @property
    def now(self) -> datetime:
        """The clock, UTC."""
        return self.signing.clock()
