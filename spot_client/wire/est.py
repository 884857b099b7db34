"""Enrolment over secure transport (RFC 7030, as RFC 8951 mends it): what SPOT sends to get a certificate of its own,
and what the mirror answers. Both directions.

    request    `application/pkcs10`: the base64 of a PKCS #10 request in DER
    answer     200, `application/pkcs7-mime; smime-type=certs-only`: the base64 of a PKCS #7 with the certificate alone
               202 and `Retry-After`: it waits for the host that signs; the very same request is to be sent again

Base64 in one line or several; nothing else is looked over. Pure.
"""

import base64
import binascii
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from ca.reading import UNREADABLE
from spot_client.wire.errors import FormatError

MAX_BODY: Final = 16 * 2**10
"""Longest body either way, in bytes."""

REQUEST_TYPE: Final = "application/pkcs10"
ANSWER_TYPE: Final = "application/pkcs7-mime; smime-type=certs-only"

WAITING: Final = 202
"""The status of an answer that says: not signed yet, send the same request again."""

RETRY: Final = 300
MAX_RETRY: Final = 86400
"""Seconds after which to ask again where `Retry-After` does not say so, and most that it is obeyed."""


def encode_request(der: bytes) -> bytes:
    """The body that asks for a certificate; the same bytes for the same request."""
    return base64.encodebytes(der)


def decode_request(body: bytes) -> bytes:
    """The DER of a request; what it says is for `ca.request`.

    Raises:
        FormatError: reason `too-large` or `not-base64`.
    """
    return _decoded(body)


def encode_answer(certificate: bytes) -> bytes:
    """The body that hands a certificate (DER) out."""
    loaded = x509.load_der_x509_certificate(certificate)
    return base64.encodebytes(pkcs7.serialize_certificates([loaded], Encoding.DER))


def decode_answer(body: bytes) -> bytes:
    """The certificate (DER) of an answer. Nothing is believed of it by that.

    Raises:
        FormatError: reason `too-large`, `not-base64`, or `not-a-certificate`, also for more than one.
    """
    try:
        certificates = pkcs7.load_der_pkcs7_certificates(_decoded(body))
        found = [certificate.public_bytes(Encoding.DER) for certificate in certificates]
    except UNREADABLE as error:
        raise FormatError("not-a-certificate", f"The answer holds no certificate that can be read: {error}.") from error
    if len(found) != 1:
        raise FormatError("not-a-certificate", f"The answer holds {len(found)} certificates, not one.")
    return found[0]


def _decoded(body: bytes) -> bytes:
    if len(body) > MAX_BODY:
        raise FormatError("too-large", f"The body has {len(body)} bytes, more than the {MAX_BODY} allowed.")
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise FormatError("not-base64", f"The body is not base64: {error}.") from error
