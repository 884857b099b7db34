"""mirror.content.proxied: the header of the PROXY protocol, version 2, strict."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mirror.content.proxied import MAX_HEADER, BadHeader, Proxied, read_header, refuse_header

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6 = 0x11, 0x21

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
tlvs = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=6).map(
    lambda pairs: b"".join(bytes([kind]) + len(value).to_bytes(2) + value for kind, value in pairs)
)


def header(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    """A header; `length`: what it says of itself, if that is not the truth."""
    return SIGNATURE + bytes([command, family]) + (len(block) if length is None else length).to_bytes(2) + block


def proxied(source: IPv4Address | IPv6Address, more: bytes = b"") -> bytes:
    """What a balancer says that passes on a connection from `source`."""
    destination = ip_address("192.0.2.1" if source.version == 4 else "2001:db8::1")
    ports = (40000).to_bytes(2) + (443).to_bytes(2)
    return header(PROXY, TCP4 if source.version == 4 else TCP6, source.packed + destination.packed + ports + more)


WHOLE = proxied(ip_address("198.51.100.7"), b"\x04\x00\x02ab")
VERSION_1 = b"PROXY TCP4 198.51.100.7 192.0.2.1 40000 443\r\n"


def reason(raw: bytes) -> str:
    """Why it is refused."""
    with pytest.raises(BadHeader) as caught:
        read_header(raw)
    return caught.value.reason


@given(addresses, tlvs, st.binary(max_size=80))
def test_the_true_address_is_told_and_what_follows_is_left(
    source: IPv4Address | IPv6Address, more: bytes, tls: bytes
) -> None:
    raw = proxied(source, more)
    assert read_header(raw + tls) == Proxied(str(source), len(raw))


@given(st.integers(0, 255), st.binary(max_size=100))
@example(0, b"")
def test_a_balancer_that_speaks_for_itself_keeps_its_own_address(family: int, block: bytes) -> None:
    raw = header(LOCAL, family, block)
    assert read_header(raw + b"\x16\x03\x01") == Proxied(None, len(raw))


@pytest.mark.parametrize(
    "raw", [WHOLE, proxied(ip_address("2001:db8::7")), header(LOCAL, 0, b""), header(LOCAL, 0, b"x")]
)
def test_what_is_cut_anywhere_is_waited_for(raw: bytes) -> None:
    assert {read_header(raw[:end]) for end in range(len(raw))} == {None}


@pytest.mark.parametrize("bit", range(len(SIGNATURE) * 8))
def test_another_signature_is_refused_at_its_first_wrong_byte(bit: int) -> None:
    wrong = bytearray(WHOLE)
    wrong[bit // 8] ^= 1 << bit % 8
    assert reason(bytes(wrong)) == reason(bytes(wrong[: bit // 8 + 1])) == "not-proxied"


@pytest.mark.parametrize(
    "raw",
    [
        b"POST / HTTP/1.1\r\n",
        b"PROXYING",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/1.1\r\n",
        b"\r\r",
    ],
)
def test_what_is_no_header_is_refused_at_once(raw: bytes) -> None:
    assert reason(raw) == "not-proxied"


def test_version_1_is_told_apart_from_what_is_no_header() -> None:
    assert {read_header(VERSION_1[:end]) for end in range(len(b"PROXY "))} == {None}
    for end in range(len(b"PROXY "), len(VERSION_1)):
        assert reason(VERSION_1[:end]) == "proxy-version-1"


@pytest.mark.parametrize("raw", [WHOLE, SIGNATURE, header(LOCAL, 0, b""), header(0xFF, 0xFF, b""), VERSION_1])
def test_from_everybody_else_a_header_is_refused(raw: bytes) -> None:
    with pytest.raises(BadHeader) as caught:
        refuse_header(raw)
    assert caught.value.reason == "unexpected-proxy-header"


@pytest.mark.parametrize("raw", [b"", b"P", b"\x16\x03\x01" + WHOLE, b"GET / HTTP/1.1\r\n", SIGNATURE[:11]])
def test_from_everybody_else_what_is_no_header_is_left_to_tls(raw: bytes) -> None:
    refuse_header(raw)


@pytest.mark.parametrize("command", sorted(set(range(256)) - {LOCAL, PROXY}))
def test_another_version_or_command_is_refused(command: int) -> None:
    raw = SIGNATURE + bytes([command])
    assert reason(raw) == ("proxy-command" if command >> 4 == 2 else "proxy-version")
    assert reason(raw + WHOLE[13:]) == reason(raw)


@pytest.mark.parametrize("family", sorted(set(range(256)) - {TCP4, TCP6}))
def test_what_did_not_come_over_tcp_is_refused(family: int) -> None:
    assert reason(SIGNATURE + bytes([PROXY, family])) == "proxy-family"
    assert reason(header(PROXY, family, bytes(216))) == "proxy-family"


@pytest.mark.parametrize(("family", "needed"), [(TCP4, 12), (TCP6, 36)])
def test_addresses_that_do_not_fit_are_refused_before_they_come(family: int, needed: int) -> None:
    for length in range(needed):
        assert reason(header(PROXY, family, b"", length)) == "proxy-length"
    assert read_header(header(PROXY, family, b"", needed)) is None


@pytest.mark.parametrize("command", [LOCAL, PROXY])
def test_a_header_that_is_too_long_is_refused_before_it_comes(command: int) -> None:
    most = MAX_HEADER - 16
    assert read_header(header(command, TCP4, b"", most)) is None
    assert {reason(header(command, TCP4, b"", length)) for length in (most + 1, 2**15, 2**16 - 1)} == {"proxy-length"}


def test_the_longest_header_is_read() -> None:
    raw = proxied(ip_address("198.51.100.7"), b"\x04" + (MAX_HEADER - 31).to_bytes(2) + bytes(MAX_HEADER - 31))
    assert len(raw) == MAX_HEADER
    assert read_header(raw) == Proxied("198.51.100.7", MAX_HEADER)


@pytest.mark.parametrize("more", [b"\x04", b"\x04\x00", b"\x04\x00\x01", b"\x04\xff\xff", b"\x04\x00\x00\x05\x00\x02x"])
def test_an_addition_whose_length_does_not_fit_is_refused(more: bytes) -> None:
    assert reason(proxied(ip_address("198.51.100.7"), more)) == "proxy-tlv"
    assert reason(proxied(ip_address("198.51.100.7"), more) + bytes(99)) == "proxy-tlv"


@given(st.binary(max_size=600))
@example(SIGNATURE + b"\x21\x11\x00\x0c")
def test_whatever_comes_is_read_waited_for_or_refused(raw: bytes) -> None:
    for buffer in (raw, SIGNATURE + raw, SIGNATURE + b"\x21\x11" + raw):
        try:
            found = read_header(buffer)
        except BadHeader:
            continue
        if found is None:
            assert len(buffer) < MAX_HEADER
        else:
            assert 16 <= found.consumed <= min(len(buffer), MAX_HEADER)


@given(addresses, tlvs, st.data())
def test_what_is_decided_of_a_part_holds_for_the_whole(
    source: IPv4Address | IPv6Address, more: bytes, data: st.DataObject
) -> None:
    raw = bytearray(proxied(source, more))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(0, 255))
    outcomes: list[Proxied | str | None] = []
    for end in range(len(raw) + 1):
        try:
            outcomes.append(read_header(bytes(raw[:end])))
        except BadHeader as error:
            outcomes.append(error.reason)
    decided = [outcome for outcome in outcomes if outcome is not None]
    assert outcomes[len(outcomes) - len(decided) :] == decided  # once decided, never open again
    assert len(set(map(str, decided))) <= 1
