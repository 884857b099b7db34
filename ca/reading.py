"""What the certificate library raises when somebody else's bytes are not a certificate, CRL or key as it reads them.

Not all of it is a ValueError: whoever parses foreign bytes catches `UNREADABLE`, so that none gets past as a crash.

Pure.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm

UNREADABLE: Final = (
    ValueError,
    TypeError,  # a name of an unexpected string type; a passphrase that is missing, or not needed
    UnsupportedAlgorithm,
    InternalError,  # a key of Curve448 that has the length of another curve's
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""For an `except` clause."""
