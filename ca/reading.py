"""What the certificate library raises when somebody else's bytes are not a certificate, CRL or key as it reads them.

Not all of it is a ValueError: whoever parses foreign bytes catches `UNREADABLE`, so that none gets past as a crash.

Pure.
"""

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

UNREADABLE: Final = (
    ValueError,
    TypeError,  # a name of an unexpected string type; a passphrase that is missing, or not needed
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""For an `except` clause."""
