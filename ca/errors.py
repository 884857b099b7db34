"""What can go wrong in the trust room.

    CaError                a sentence for a person (str) and a `reason` for code
    ├── IdentityError      a name or certificate does not say who it is, or not in our form
    ├── JsonError          bytes are not strict, canonical JSON
    ├── BundleError        a bundle is malformed, or its parts do not belong together
    ├── RevocationError    a CRL cannot be believed
    ├── RequestError       a certificate signing request is not one that is signed here
    ├── OperatorError      a mirror cannot be called, or refuses what it is asked
    ├── TlsError           files given for TLS cannot be used
    ├── VaultError         keys at rest, the ledger, or the passphrase
    │   └── PassphraseError    the passphrase is missing or wrong
    └── IssueError         a certificate was asked for that this CA does not issue

Every error names its `reason` as a short, stable word in kebab case: tests and exit codes go by it, never by the text.
"""

_MAX_SENTENCE = 1000  # characters


def shown(text: str) -> str:
    """`text` without what a terminal or log would obey, and cut: it may quote whoever wrote the bytes."""
    cut = text if len(text) <= _MAX_SENTENCE else f"{text[: _MAX_SENTENCE - 1]}…"
    return cut if cut.isprintable() else "".join(char if char.isprintable() else " " for char in cut)


class CaError(Exception):
    """Root of the tree. `reason`: a stable kebab-case word; `str()`: one sentence with the next step, fit to show."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(shown(message))
        self.reason = reason


class IdentityError(CaError):
    """A name or certificate does not say who it is, or not in our form."""


class JsonError(CaError):
    """Bytes are not strict JSON of ours.

    Reasons: `too-large`, `not-json`, `duplicate-key`, `too-deep`, `wrong-shape`, `not-canonical`.
    """


class BundleError(CaError):
    """A bundle is malformed (`bad-bundle`), or its parts do not belong together (`bundle-mismatch`)."""


class RevocationError(CaError):
    """A CRL cannot be believed: wrong issuer, signature, number or dates."""


class RequestError(CaError):
    """A certificate signing request is malformed, weak, without proof, or asks for no identity of ours."""


class OperatorError(CaError):
    """A mirror's operator listener cannot be reached, is not the one that is meant, or refuses."""


class TlsError(CaError):
    """Files given for TLS cannot be used."""


class VaultError(CaError):
    """Keys at rest or the ledger: missing, damaged, wrong mode, or already there."""


class PassphraseError(VaultError):
    """The passphrase is missing (`no-passphrase`) or wrong (`wrong-passphrase`)."""


class IssueError(CaError):
    """A certificate was asked for that this CA does not issue."""
