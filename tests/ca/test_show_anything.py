"""Whatever is shown to `spot-ca show`: it is known, or refused in a sentence."""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from ca.errors import CaError
from ca.showing import Known, Shown, read_shown
from tests.ca.house import House, make_house


@cache
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@given(data=st.data(), der=st.booleans())
def test_a_certificate_with_changed_bytes_is_shown_or_refused(data: st.DataObject, der: bool) -> None:
    raw = bytearray(house().issuing.certificate.public_bytes(Encoding.DER if der else Encoding.PEM))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))]))


@given(raw=st.binary(max_size=300))
def test_anything_else_is_refused_by_name(raw: bytes) -> None:
    for before in (b"", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN X509 CRL-----\n", b'{"format":1,'):
        check(before + raw)


def check(raw: bytes) -> None:
    refusal, shown = None, None
    try:
        shown = read_shown(raw, "it", Known({}, (), {}), datetime.now(UTC))
    except CaError as error:
        refusal = error
    assert isinstance(shown, Shown) != isinstance(refusal, CaError)
