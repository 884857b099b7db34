"""No mirror holds SPOT: neither drop by drop nor without an end. Real servers, real TLS, short limits."""

import itertools
import time
from collections.abc import Callable, Iterator

import pytest

from spot_client.errors import NotReachable
from spot_client.fetch.pace import Patience
from spot_client.fetch.speeds import Speeds
from tests.spot_client.fetch.conftest import Dialler
from tests.spot_client.fetch.server import Asked, Serve, Server, ranged, reply

CONTENT = bytes(range(256)) * 400
SHORT = Patience(gap=0.5, window=0.5, rate=20_000)
"""A drip feed brings some 100 bytes a second here, and an honest server over loopback millions."""

SOON = 15  # seconds; a mirror that could hold SPOT would do so for minutes


def drip(start: bytes, piece: bytes = b"x") -> Iterator[bytes]:
    """Some bytes at once, then a few at a time, without an end."""
    yield start
    while True:
        time.sleep(0.01)
        yield piece


def flood(start: bytes, piece: bytes) -> Iterator[bytes]:
    """As fast as they can be sent, without an end."""
    return itertools.chain([start], itertools.repeat(piece * 1000))


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FEEDS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a status line, byte by byte": lambda: drip(b"HTTP/1.1 2"),
    "a header, byte by byte": lambda: drip(b"HTTP/1.1 200 OK\r\nX: "),
    "one interim answer after another": lambda: drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body, byte by byte": lambda: drip(HEAD),
    "a body without length, byte by byte": lambda: drip(b"HTTP/1.1 200 OK\r\n\r\n"),
    "a refusal, byte by byte": lambda: drip(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9000\r\n\r\n"),
    "interim answers as fast as they go": lambda: flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a chunk's size, byte by byte": lambda: drip(CHUNKED + b"1;"),
    "trailers as fast as they go": lambda: flood(CHUNKED + b"0\r\n", b"X: y\r\n"),
}


@pytest.mark.parametrize("feed", FEEDS)
def test_an_answer_that_never_ends_is_given_up(serve: Serve, dial: Dialler, feed: str) -> None:
    transport = dial(serve(lambda _: FEEDS[feed]()), patience=SHORT)
    begun = time.monotonic()
    with pytest.raises(NotReachable):
        transport.get("/x", max_bytes=100_000)
    assert time.monotonic() - begun < SOON


@pytest.mark.parametrize("feed", ["a header, byte by byte", "a body, byte by byte", "one interim answer after another"])
def test_it_is_told_that_it_was_too_slow(serve: Serve, dial: Dialler, feed: str) -> None:
    with pytest.raises(NotReachable) as failed:
        dial(serve(lambda _: FEEDS[feed]()), patience=SHORT).get("/x", max_bytes=100_000)
    assert failed.value.reason == "too-slow"
    assert "min_rate" in str(failed.value)


def trickled(asked: Asked, after: int) -> Iterator[bytes]:
    """The right answer to a range, of which only so many bytes come at once, and the rest one by one."""
    head, _, body = ranged(asked, CONTENT).partition(b"\r\n\r\n")
    yield head + b"\r\n\r\n" + body[:after]
    for byte in body[after:]:
        time.sleep(0.01)
        yield bytes([byte])


def download(transport: object, sink: Callable[[bytes], None]) -> None:
    transport.download("/pack", start=0, stop=len(CONTENT), sink=sink)  # type: ignore[attr-defined]


def test_the_next_mirror_goes_on_where_a_slow_one_was_given_up(serve: Serve, dial: Dialler) -> None:
    slow, good = serve(lambda asked: trickled(asked, 5000)), serve(lambda asked: ranged(asked, CONTENT))
    pieces: list[bytes] = []
    download(dial(slow, good, patience=SHORT), pieces.append)
    assert b"".join(pieces) == CONTENT
    begin = int(good.asked[0].headers["range"].removeprefix("bytes=").partition("-")[0])
    assert begin > 5000  # what came drop by drop is not lost either
    assert len(slow.asked) == 1


def test_a_mirror_that_stays_slow_is_given_up_after_three_attempts_though_bytes_came(
    serve: Serve, dial: Dialler
) -> None:
    server = serve(lambda asked: trickled(asked, 10))
    with pytest.raises(NotReachable) as failed:
        download(dial(server, patience=SHORT), lambda _: None)
    assert failed.value.reason == "too-slow"
    assert len(server.asked) == 3


def test_a_slow_line_above_the_least_rate_is_borne_for_many_windows(serve: Serve, dial: Dialler) -> None:
    def steady(asked: Asked) -> Iterator[bytes]:
        answer = ranged(asked, CONTENT)
        for at in range(0, len(answer), 5000):
            yield answer[at : at + 5000]
            time.sleep(0.02)

    pieces: list[bytes] = []
    server = serve(steady)
    download(dial(server, patience=Patience(gap=5, window=0.05, rate=10)), pieces.append)
    assert b"".join(pieces) == CONTENT
    assert len(server.asked) == 1


def test_a_window_that_ends_between_two_pieces_does_not_end_the_answer(serve: Serve, dial: Dialler) -> None:
    def steady(asked: Asked) -> Iterator[bytes]:
        answer = ranged(asked, CONTENT)
        for at in range(0, len(answer), 10_000):
            yield answer[at : at + 10_000]
            time.sleep(0.3)

    pieces: list[bytes] = []
    server = serve(steady)
    download(dial(server, patience=Patience(gap=1, window=1, rate=10)), pieces.append)
    assert b"".join(pieces) == CONTENT
    assert len(server.asked) == 1


def test_a_disk_that_is_slow_is_not_held_against_the_mirror(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: ranged(asked, CONTENT))
    download(dial(server, patience=SHORT), lambda _: time.sleep(0.1))
    assert len(server.asked) == 1


def test_a_range_in_chunks_is_not_taken(serve: Serve, dial: Dialler) -> None:
    """Between two of them could stand any number of bytes that count for nothing."""
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-102399/102400\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = serve(lambda _: flood(head, b"1;" + b"x" * 60_000 + b"\r\nx\r\n"))
    with pytest.raises(NotReachable) as failed:
        download(dial(server, patience=SHORT), lambda _: None)
    assert failed.value.reason == "bad-answer"


def test_that_nothing_is_new_is_no_answer_to_who_did_not_ask(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: reply("304 Not Modified"))
    with pytest.raises(NotReachable) as failed:
        dial(server).get("/x", max_bytes=10)
    assert failed.value.reason == "bad-answer"
    assert dial(server).get("/x", max_bytes=10, unless='"x"').status == 304


def beside(*servers: Server) -> Callable[[str], Patience]:
    """What is borne of mirrors that are measured beside one another; a drip feed is not too slow for itself."""
    urls = [f"https://127.0.0.1:{server.port}" for server in servers]
    speeds = Speeds(urls, enough=20_000, clock=time.monotonic)
    return lambda url: Patience(gap=0.5, window=0.5, rate=10, judge=lambda: speeds.of(url))


def test_a_drip_feed_above_the_least_rate_does_not_hold_where_there_is_a_good_mirror(
    serve: Serve, dial: Dialler
) -> None:
    slow, good = serve(lambda asked: trickled(asked, 5000)), serve(lambda asked: ranged(asked, CONTENT))
    pieces: list[bytes] = []
    transport = dial(slow, good, patience=beside(slow, good))
    download(transport, pieces.append)
    assert b"".join(pieces) == CONTENT
    download(transport, pieces.append)
    assert (len(slow.asked), len(good.asked)) == (1, 2)


def test_a_slow_mirror_is_borne_where_the_other_is_silent(serve: Serve, dial: Dialler) -> None:
    def steady(asked: Asked) -> Iterator[bytes]:
        answer = ranged(asked, CONTENT)
        for at in range(0, len(answer), 1000):
            yield answer[at : at + 1000]
            time.sleep(0.1)

    slow, silent = serve(steady), serve(lambda _: b"")
    pieces: list[bytes] = []
    download(dial(slow, silent, patience=beside(slow, silent)), pieces.append)
    assert b"".join(pieces) == CONTENT
    assert len(slow.asked) == 2


def test_no_mirror_holds_a_run_beyond_its_time(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: trickled(asked, 5000))
    end = time.monotonic() + 1
    pieces: list[bytes] = []
    with pytest.raises(NotReachable) as failed:
        download(dial(server, patience=Patience(gap=5, rate=10, left=lambda: end - time.monotonic())), pieces.append)
    assert time.monotonic() < end + SOON
    assert failed.value.reason == "too-slow"
    assert "deadline" in str(failed.value)
    assert CONTENT.startswith(b"".join(pieces))
    assert len(b"".join(pieces)) >= 5000
