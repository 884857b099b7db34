"""What can be wrong with bytes that claim to be one of our formats.

WireError          `reason` for code, one sentence for a person
├── BadName        an id, version, platform, channel or path is not one we use (`bad-name`, `bad-path`, ...)
├── DigestError    bytes are not those that were named (`wrong-length`, `wrong-digest`)
└── FormatError    a document is not of its format (`bad-manifest`, ...), or too new for this SPOT
"""

from ca.errors import shown


class WireError(Exception):
    """Root of the tree. `reason`: a stable kebab-case word; `str()`: one sentence, on one line, fit to be shown."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(shown(message))
        self.reason = reason


class BadName(WireError):
    """An id, version, platform, channel or path is not one we use."""


class DigestError(WireError):
    """Bytes are not those that were named: `wrong-length` or `wrong-digest`."""


class FormatError(WireError):
    """A document is not of its format, or is too new for this SPOT (`too-new`)."""
