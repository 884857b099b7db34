"""What can go wrong on the vendor's side.

    MirrorError        a sentence for a person (str) and a `reason` for code
    ├── ConfigError    mirror.toml: missing, not TOML, an unknown key, a value that cannot be
    ├── RecordsError   the store of customers, licences, installations and thin snapshots
    │   ├── NotThere       what was named does not exist
    │   ├── AlreadyThere   what was to be added exists
    │   ├── StoreFault     locked, damaged, or of a newer version
    │   └── TooOften       an installation stores thin snapshots more often than it may
    ├── PublishError   a release cannot be published as asked
    │   ├── SourceError    the source cannot be read, or not safely
    │   ├── Conflict       this release is published with other content
    │   └── Busy           another process is publishing
    ├── SigningError   signing keys: missing, damaged, or not those of the catalogue
    ├── CatalogueFault the catalogue on disk is missing, damaged, or does not fit together
    ├── BlobFault      a blob is missing, or cannot be stored
    ├── BackupError    a backup cannot be made, or not be used
    ├── MemoryFault    what the mirror's processes share in memory cannot be written or read
    └── ServeError     the listener cannot start with this configuration

Every error names its `reason` as a short, stable word in kebab case: tests and exit codes go by it, never by the text.
"""


class MirrorError(Exception):
    """Root of the tree. `reason`: a stable kebab-case word; `str()`: one sentence, with the next step."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ConfigError(MirrorError):
    """mirror.toml: missing, not TOML, an unknown key, a value that cannot be."""


class RecordsError(MirrorError):
    """The store of customers, licences, installations and thin snapshots."""


class NotThere(RecordsError):
    """What was named does not exist."""


class AlreadyThere(RecordsError):
    """What was to be added exists."""


class StoreFault(RecordsError):
    """The store is locked, damaged, or of a newer version."""


class TooOften(RecordsError):
    """An installation stores thin snapshots more often than it may. `seconds`: how long it has to wait."""

    def __init__(self, reason: str, message: str, seconds: int = 0) -> None:
        super().__init__(reason, message)
        self.seconds = seconds


class PublishError(MirrorError):
    """A release cannot be published as asked."""


class SourceError(PublishError):
    """The source cannot be read, or not safely."""


class Conflict(PublishError):
    """This release is published with other content."""


class Busy(PublishError):
    """Another process is publishing."""


class SigningError(MirrorError):
    """Signing keys: missing, damaged, or not those of the catalogue."""


class CatalogueFault(MirrorError):
    """The catalogue on disk is missing, damaged, or does not fit together."""


class BlobFault(MirrorError):
    """A blob is missing, or cannot be stored."""


class BackupError(MirrorError):
    """A backup cannot be made, or not be used."""


class MemoryFault(MirrorError):
    """What the mirror's processes share in memory cannot be written or read."""


class ServeError(MirrorError):
    """The listener cannot start with this configuration."""
