"""What goes over the line when a certificate is asked for, both directions."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from spot_client.wire import est
from spot_client.wire.errors import FormatError
from tests.ca.house import House, der_of


def reason_of(body: bytes) -> str:
    with pytest.raises(FormatError) as caught:
        est.decode_answer(body)
    return caught.value.reason


@given(st.binary(max_size=9000))
def test_a_request_arrives_as_it_was_sent(der: bytes) -> None:
    body = est.encode_request(der)
    assert est.decode_request(body) == der
    assert est.decode_request(body.replace(b"\n", b"\r\n")) == der
    assert est.decode_request(body.replace(b"\n", b"")) == der


@pytest.mark.parametrize("body", [b"MII*", b"MIIA=AAA", "Ä".encode(), b"M"])
def test_what_is_not_base64_is_refused(body: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        est.decode_request(body)
    assert caught.value.reason == "not-base64"


def test_a_long_body_is_not_looked_at() -> None:
    with pytest.raises(FormatError) as caught:
        est.decode_request(b"A" * (est.MAX_BODY + 1))
    assert caught.value.reason == "too-large"
    assert reason_of(b"A" * (est.MAX_BODY + 1)) == "too-large"


def test_an_answer_holds_the_certificate_alone(house: House) -> None:
    certificate = der_of(house.client.certificate)
    assert est.decode_answer(est.encode_answer(certificate)) == certificate


def test_an_answer_with_two_certificates_or_none_is_refused(house: House) -> None:
    two = pkcs7.serialize_certificates([house.client.certificate, house.issuing.certificate], Encoding.DER)
    assert reason_of(est.encode_request(two)) == "not-a-certificate"
    assert reason_of(est.encode_request(der_of(house.client.certificate))) == "not-a-certificate"
    assert reason_of(b"") == "not-a-certificate"
