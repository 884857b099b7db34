"""Pins are server leaves; whatever else is given is refused by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca.errors import TlsError
from ca.pins import MAX_PINS, names_host, read_pins
from tests.ca.house import House, der_of, pem_of, reason_of

_REASONS = {"no-pins", "bad-certificate", "pin-is-ca", "not-a-server", "weak-key"}


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f"-----BEGIN CERTIFICATE-----{text}".encode()))
def test_any_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(TlsError) as refused:
        read_pins(raw)
    assert refused.value.reason in {"no-pins", "bad-certificate"}


def test_the_size_is_looked_at_first() -> None:
    with pytest.raises(TlsError) as refused:
        read_pins(b"-----BEGIN CERTIFICATE-----" + b"A" * MAX_PINS)
    assert refused.value.reason == "too-large"


@pytest.mark.filterwarnings("ignore:.*:Warning")  # the certificate library's, about what it is given to read
@settings(deadline=None)
@given(position=st.integers(0, 3000), byte=st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused_by_name(house: House, position: int, byte: int) -> None:
    pem = bytearray(pem_of(house.server.certificate))
    pem[position % len(pem)] = byte
    assert reason_of(lambda: read_pins(bytes(pem))) in _REASONS | {None}


@given(st.text(max_size=30))
def test_only_the_names_in_a_pin_are_its_hosts(house: House, host: str) -> None:
    der = der_of(house.server.certificate)
    assert names_host(der, "localhost")
    assert names_host(der, "::1")
    assert names_host(der, host) == (host in {"localhost", "127.0.0.1", "::1"})
