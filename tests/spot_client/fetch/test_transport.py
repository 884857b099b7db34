"""Requests against real servers: what is asked again, what is an answer, and that no two answers are ever mixed."""

from datetime import UTC, datetime

import pytest

from ca.profiles import SERVER
from spot_client.errors import NotLicensed, NotReachable, NotTrusted, Refused, SpotError
from spot_client.fetch.answer import Answer
from spot_client.fetch.transport import Transport
from tests.ca.house import HOSTS, House
from tests.spot_client.fetch.conftest import Dialler
from tests.spot_client.fetch.server import Asked, Serve, in_turn, paths, problem, ranged, reply
from tests.spot_client.fetch.test_pinned import Context

CONTENT = bytes(range(256)) * 1200  # longer than any one read
BUSY = "503 Service Unavailable"


def failure(transport: Transport, path: str = "/x", max_bytes: int = 100) -> SpotError:
    with pytest.raises(SpotError) as failed:
        transport.get(path, max_bytes=max_bytes)
    return failed.value


def download(transport: Transport, start: int = 0, stop: int = len(CONTENT)) -> bytes:
    pieces: list[bytes] = []
    transport.download("/pack", start=start, stop=stop, sink=pieces.append)
    return b"".join(pieces)


# What is sent


def test_a_request_says_who_asks_and_asks_for_bytes_as_they_are(serve: Serve, dial: Dialler) -> None:
    server = serve()
    dial(server).get("/catalogue/timestamp.json", max_bytes=10)
    asked = server.asked[0]
    assert (asked.method, asked.path, asked.headers["accept-encoding"]) == (
        "GET",
        "/catalogue/timestamp.json",
        "identity",
    )
    assert asked.headers["user-agent"].startswith("spot/")
    assert asked.headers["spot-installation"] == "me"


def test_a_post_is_repeated_as_the_same_request_and_a_put_is_sent_once(serve: Serve, dial: Dialler) -> None:
    server = serve(in_turn(reply(BUSY), reply("201 Created", b"{}")))
    answer = dial(server).post("/installations", headers={"Idempotency-Key": "k"}, max_bytes=10)
    assert (answer.status, answer.body) == (201, b"{}")
    assert [(one.method, one.headers["idempotency-key"], one.body) for one in server.asked] == [("POST", "k", b"")] * 2

    server = serve(in_turn(reply(BUSY), reply("204 No Content")))
    with pytest.raises(NotReachable):
        dial(server).put("/x", b"body")
    assert [(one.method, one.body, one.headers["content-type"]) for one in server.asked] == [
        ("PUT", b"body", "application/json")
    ]


# What is an answer


def test_an_answer_carries_status_headers_by_lower_case_name_and_body(serve: Serve, dial: Dialler) -> None:
    transport = dial(serve(lambda _: reply(body=b"hello", ETag='"x"', Date="Wed, 21 Oct 2026 07:28:00 GMT")))
    answer = transport.get("/x", max_bytes=5)
    assert (answer.status, answer.body, answer.headers["etag"]) == (200, b"hello", '"x"')
    assert transport.mirror_time == answer.date == datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    "date",
    [
        "",
        "yesterday",
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 +99999999999999",
        "Mon, 01 Jan 2024 00:00:00 +2359",
        "Mon, 01 Jan 2024 00:00:00 +0000",
        "Mon, 01 Jan 2024 00:00:00 -0000",
        "Mon, 01 Jan 2024 00:00:00",
        "Tue, 01 Jan 2024 00:00:00 GMT",
        "Mon, 1 Jan 2024 00:00:00 GMT",
        "Mon, 01 Jan 0024 00:00:00 GMT",
        "Mon, 01 Jan 2024 23:59:60 GMT",
        "Monday, 01-Jan-24 00:00:00 GMT",
        "Mon Jan  1 00:00:00 2024",
        "Mon, 01 Jan 2024 00:00:00 GMT, Mon, 01 Jan 2024 00:00:00 GMT",
    ],
)
def test_a_mirror_that_does_not_say_when_it_is_in_the_one_form_has_no_time(date: str) -> None:
    assert Answer(200, {"date": date}, b"").date is None


def test_two_requests_use_one_connection(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: reply(body=b"x"))
    transport = dial(server)
    for _ in range(3):
        transport.get("/x", max_bytes=10)
    assert (len(server.asked), server.connections) == (3, 1)


def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(serve: Serve, dial: Dialler) -> None:
    transport = dial(serve(lambda _: reply(body=bytes(100))))
    assert len(transport.get("/x", max_bytes=100).body) == 100
    assert failure(transport, max_bytes=99).reason == "too-long"


def test_an_endless_body_is_cut_off_at_its_largest_size_and_the_way_stays_open(serve: Serve, dial: Dialler) -> None:
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(2**20)
    transport = dial(serve(in_turn(endless, endless, endless, reply(body=b"x"))))
    assert failure(transport).reason == "too-long"
    assert transport.get("/x", max_bytes=1).body == b"x"


def test_a_body_that_breaks_off_is_never_taken_for_whole(serve: Serve, dial: Dialler) -> None:
    broken = reply(body=b"only this", Content_Length="100", Connection="close")
    server = serve(in_turn(broken, reply(body=b"all of it")))
    assert dial(server).get("/x", max_bytes=100).body == b"all of it"
    error = failure(dial(serve(in_turn(broken))))
    assert (type(error), error.reason) == (NotReachable, "broken-off")
    assert "without an answer" not in str(error)


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nDate: Wed, 21 Oct",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r",
        b"HTTP/1.1 304 Not Modified\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
)
def test_a_head_that_breaks_off_is_never_taken_for_whole(serve: Serve, dial: Dialler, broken: bytes) -> None:
    """http.client takes the end of the connection for the end of the head, and then there is no body."""
    server = serve()
    server.behave = lambda _: reply(body=b"all of it") if len(server.asked) > 1 else iter([broken])
    assert dial(server).get("/x", max_bytes=100, unless='"x"').body == b"all of it"
    assert len(server.asked) == 2
    error = failure(dial(serve(lambda _: iter([broken]))))
    assert (type(error), error.reason) == (NotReachable, "broken-off")


def test_a_compressed_body_is_not_unpacked(serve: Serve, dial: Dialler) -> None:
    assert (
        dial(serve(lambda _: reply(body=b"\x1f\x8bxx", Content_Encoding="gzip"))).get("/x", max_bytes=10).body
        == b"\x1f\x8bxx"
    )


# What is asked again


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests", "502 Bad Gateway"])
def test_a_mirror_that_has_no_time_is_asked_again_after_a_pause(serve: Serve, dial: Dialler, status: str) -> None:
    server = serve(in_turn(problem(status, "unavailable"), reply(status), reply(body=b"x")))
    assert dial(server).get("/x", max_bytes=10).body == b"x"
    assert len(server.asked) == 3
    assert len(dial.waited) == 2
    assert 0.5 <= dial.waited[0] <= 1.5
    assert 1 <= dial.waited[1] <= 2


def test_it_is_given_up_after_three_attempts(serve: Serve, dial: Dialler) -> None:
    server = serve(in_turn(problem(BUSY, "unavailable", "Starting.")))
    error = failure(dial(server))
    assert (type(error), error.reason, len(server.asked)) == (NotReachable, "http-503", 3)
    assert "Starting." in str(error)


def busy(status: str, seconds: str) -> bytes:
    """Too much to do, for so long."""
    return reply(status, Retry_After=seconds)


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
def test_a_mirror_that_asks_to_be_left_alone_is_and_not_a_moment_less(serve: Serve, dial: Dialler, status: str) -> None:
    server = serve(in_turn(busy(status, "20"), busy(status, "5"), reply(body=b"x")))
    assert dial(server).get("/x", max_bytes=10).body == b"x"
    assert 20 <= dial.waited[0] <= 30
    assert 5 <= dial.waited[1] <= 7.5


def test_what_a_mirror_asks_for_holds_for_all_that_is_asked_of_it(serve: Serve, dial: Dialler) -> None:
    server = serve(in_turn(busy(BUSY, "3600"), reply(body=b"x")))
    transport = dial(server)
    error = failure(transport)
    assert (error.reason, len(server.asked), dial.waited) == ("http-503", 1, [])
    assert "It asks to be left alone for 3600 seconds; a later run goes on." in str(error)
    assert failure(transport, "/y") is error
    assert len(server.asked) == 1
    dial.now += 5401
    assert transport.get("/x", max_bytes=10).body == b"x"


def test_whoever_asks_for_more_than_two_minutes_in_all_is_left_to_the_next_run(serve: Serve, dial: Dialler) -> None:
    server = serve(in_turn(busy(BUSY, "50")))
    assert failure(dial(server)).reason == "http-503"
    assert len(server.asked) in {2, 3}
    assert sum(dial.waited) <= 120


def test_nobody_is_waited_for_longer_than_the_run_may_last(serve: Serve, dial: Dialler) -> None:
    dial.left = 10.0
    server = serve(in_turn(busy(BUSY, "20"), reply(body=b"x")))
    assert failure(dial(server)).reason == "http-503"
    assert dial.waited == []


@pytest.mark.parametrize("seconds", ["soon", "-1", "1.5", "", "9" * 30, "Wed, 21 Oct 2099 07:28:00 GMT", "٣"])
def test_what_is_no_number_of_seconds_is_not_obeyed(serve: Serve, dial: Dialler, seconds: str) -> None:
    answer = f"HTTP/1.1 {BUSY}\r\nContent-Length: 0\r\nRetry-After: {seconds}\r\n\r\n".encode()
    server = serve(in_turn(answer, reply(body=b"x")))
    assert dial(server).get("/x", max_bytes=10).body == b"x"
    assert 0.5 <= dial.waited[0] <= 1.5


def test_the_next_mirror_is_asked_at_once_where_one_asks_to_be_left_alone(serve: Serve, dial: Dialler) -> None:
    first, second = serve(in_turn(busy(BUSY, "60"))), serve(lambda _: reply(body=b"x"))
    transport = dial(first, second)
    assert [transport.get("/x", max_bytes=10).body for _ in range(3)] == [b"x"] * 3
    second.close()
    transport.close()
    assert failure(transport).reason in {"http-503", "no-answer"}
    assert (len(first.asked), sum(dial.waited) < 60) == (1, True)


def test_a_mirror_that_wants_no_more_bodies_still_gives_what_is_asked_for(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: busy("429 Too Many", "60") if asked.method == "PUT" else reply(body=b"x"))
    transport = dial(server)
    with pytest.raises(NotReachable) as failed:
        transport.put("/installations/x/thin-snapshot", b"{}")
    assert failed.value.wait == 60
    assert transport.get("/x", max_bytes=10).body == b"x"
    assert dial.waited == []


def test_a_download_that_is_held_up_goes_on_after_the_wait(serve: Serve, dial: Dialler) -> None:
    server = serve()
    server.behave = lambda asked: busy("429 Too Many", "7") if len(server.asked) == 2 else cut_off(asked, 200_000)
    assert download(dial(server)) == CONTENT
    assert any(7 <= waited <= 10.5 for waited in dial.waited)


def test_connections_that_are_shed_are_made_anew_after_pauses_that_grow(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: reply(body=b"x"))
    server.sheds = 4
    assert dial(server).get("/x", max_bytes=10).body == b"x"
    assert all(waited >= shortest for shortest, waited in zip([0.5, 1, 2, 4], dial.waited, strict=True))
    assert sum(dial.waited) <= 15.5
    server = serve(lambda _: b"")  # closed after the handshake
    error = failure(dial(server))
    assert (type(error), error.reason, len(server.asked)) == (NotReachable, "closed", 5)


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
def test_a_redirect_is_never_followed(serve: Serve, dial: Dialler, status: str) -> None:
    elsewhere = serve()
    server = serve(lambda _: reply(status, Location=f"https://127.0.0.1:{elsewhere.port}/x"))
    assert failure(dial(server)).reason == f"http-{status[:3]}"
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Forbidden</html>",
        b"",
        b'{"reason":"revoked"',
        b'{"reason":"revoked","reason":"expired"}',
        b'{"reason":"<script>"}',
        b"[" * 5000,
        b'{"detail":"' + b"x" * 20000 + b'","reason":"revoked"}',
    ],
)
def test_a_status_without_a_reason_of_ours_is_no_refusal(serve: Serve, dial: Dialler, body: bytes) -> None:
    """Something in between answered; the mirror has not said no. And the way to it stays open."""
    server = serve(lambda asked: reply(body=b"x") if asked.path == "/y" else reply("403 Forbidden", body))
    transport = dial(server)
    error = failure(transport)
    assert (type(error), error.reason) == (NotReachable, "http-403")
    assert len(server.asked) == 3
    assert transport.get("/y", max_bytes=1).body == b"x"


# What is a refusal


@pytest.mark.parametrize(
    ("answer", "kind", "next_step"),
    [
        (("403 Forbidden", "not-licensed"), NotLicensed, "Ask your vendor if you need it."),
        (("403 Forbidden", "revoked"), Refused, "Ask your vendor for a new bundle."),
        (("403 Forbidden", "expired"), Refused, "Check this machine's clock"),
        (("404 Not Found", "not-found"), Refused, ""),
        (("400 Bad Request", "of-a-later-mirror"), Refused, ""),
    ],
)
def test_a_refusal_is_an_answer_and_never_asked_again(
    serve: Serve, dial: Dialler, answer: tuple[str, str], kind: type[SpotError], next_step: str
) -> None:
    server, second = serve(lambda _: problem(*answer, "It says so.")), serve()
    error = failure(dial(server, second))
    assert (type(error), error.reason) == (kind, answer[1])
    assert "It says so." in str(error)
    assert next_step in str(error)
    assert "(request req-1)" in str(error)
    assert (len(server.asked), second.connections, dial.waited) == (1, 0, [])


# Several mirrors


def test_the_second_mirror_answers_where_the_first_is_down(serve: Serve, dial: Dialler) -> None:
    down, up = serve(), serve(lambda _: reply(body=b"x"))
    down.close()
    assert dial(down, up).get("/x", max_bytes=10).body == b"x"
    assert dial.waited == []


def test_the_second_mirror_answers_where_the_first_cannot_be_trusted(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    liar, honest = serve(tls=context(house.leaf(HOSTS, SERVER))), serve(lambda _: reply(body=b"x"))
    assert dial(liar, honest).get("/x", max_bytes=10).body == b"x"
    assert liar.asked == []


def test_what_cannot_be_trusted_is_told_only_if_no_mirror_answers_and_is_not_tried_again(
    serve: Serve, dial: Dialler, house: House, context: Context
) -> None:
    down, liar = serve(), serve(tls=context(house.leaf(HOSTS, SERVER)))
    down.close()
    error = failure(dial(down, liar))
    assert (type(error), error.reason) == (NotTrusted, "wrong-server")
    assert (liar.connections, dial.waited) == (1, [])


# Ranges


def test_a_range_is_had_byte_for_byte(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: ranged(asked, CONTENT))
    assert download(dial(server), 1000, 250_000) == CONTENT[1000:250_000]
    assert server.asked[0].headers["range"] == "bytes=1000-249999"


def test_an_empty_range_needs_no_request(serve: Serve, dial: Dialler) -> None:
    server = serve()
    assert download(dial(server), 10, 10) == b""
    assert server.connections == 0


def cut_off(asked: Asked, after: int) -> bytes:
    """The right answer, less all but `after` bytes of its body, and then the end of the connection."""
    head, _, body = ranged(asked, CONTENT).partition(b"\r\n\r\n")
    return head + b"\r\nConnection: close\r\n\r\n" + body[:after]


def test_a_range_that_breaks_off_goes_on_at_the_byte(serve: Serve, dial: Dialler) -> None:
    server = serve()
    server.behave = lambda asked: cut_off(asked, 100_000) if len(server.asked) < 3 else ranged(asked, CONTENT)
    assert download(dial(server)) == CONTENT
    assert [one.headers["range"] for one in server.asked] == [
        f"bytes={start}-{len(CONTENT) - 1}" for start in (0, 100_000, 200_000)
    ]


def test_as_long_as_bytes_come_a_range_is_not_given_up(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: cut_off(asked, 40_000))
    assert download(dial(server)) == CONTENT
    assert len(server.asked) == -(-len(CONTENT) // 40_000) > 3


def test_three_attempts_in_a_row_without_a_byte_are_the_end(serve: Serve, dial: Dialler) -> None:
    server = serve()
    server.behave = lambda asked: cut_off(asked, 0 if len(server.asked) in {2, 3, 5, 6, 7} else 40_000)
    with pytest.raises(NotReachable):
        download(dial(server))
    assert len(server.asked) == 7


def test_a_mirror_that_gives_a_byte_at_a_time_is_given_up_some_day(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda asked: cut_off(asked, 1))
    with pytest.raises(NotReachable):
        download(dial(server))
    assert len(server.asked) == 100


def test_the_second_mirror_goes_on_where_the_first_broke_off(serve: Serve, dial: Dialler) -> None:
    first, second = serve(lambda asked: cut_off(asked, 70_001)), serve(lambda asked: ranged(asked, CONTENT))
    assert download(dial(first, second)) == CONTENT
    assert second.asked[0].headers["range"] == f"bytes=70001-{len(CONTENT) - 1}"


WRONG = {
    "all of it": reply(body=CONTENT),
    "the range, but not as one": reply(body=CONTENT, Content_Range=f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"),
    "another place": reply("206 Partial Content", CONTENT, Content_Range="bytes 1-5/9"),
    "no place": reply("206 Partial Content", CONTENT),
    "several": reply("206 Partial Content", CONTENT, Content_Type="multipart/byteranges; boundary=x"),
    "nothing": reply("204 No Content"),
}


@pytest.mark.parametrize("answer", WRONG)
def test_an_answer_that_is_not_the_range_asked_for_is_never_mixed_in(serve: Serve, dial: Dialler, answer: str) -> None:
    server = serve(lambda _: WRONG[answer])
    transport = dial(server)
    pieces: list[bytes] = []
    with pytest.raises(NotReachable) as failed:
        transport.download("/pack", start=0, stop=len(CONTENT), sink=pieces.append)
    assert failed.value.reason == "bad-answer"
    assert pieces == []
    server.behave = lambda asked: ranged(asked, CONTENT)
    assert download(transport) == CONTENT


def test_more_bytes_than_the_range_has_are_not_taken(serve: Serve, dial: Dialler) -> None:
    def more(asked: Asked) -> bytes:
        where = "bytes 0-9/1000"
        return reply("206 Partial Content", CONTENT, Content_Range=where)

    transport = dial(serve(more))
    assert download(transport, 0, 10) == CONTENT[:10]
    assert download(transport, 0, 10) == CONTENT[:10]


def test_a_refused_range_is_a_refusal(serve: Serve, dial: Dialler) -> None:
    server = serve(lambda _: problem("403 Forbidden", "not-licensed"))
    with pytest.raises(NotLicensed):
        download(dial(server))
    assert paths(server.asked) == ["/pack"]


def test_a_connection_that_is_cut_in_the_middle_of_a_range_is_made_anew(serve: Serve, dial: Dialler) -> None:
    """Cut without a word of TLS: that is no end of the body, whatever was announced."""
    server = serve()

    def cut(asked: Asked) -> bytes:
        if len(server.asked) > 1:
            return ranged(asked, CONTENT)
        where = f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"
        head = f"HTTP/1.1 206 Partial Content\r\nContent-Range: {where}\r\nConnection: close\r\n\r\n"
        return head.encode() + CONTENT[:5000]

    server.behave = cut
    assert download(dial(server)) == CONTENT
    assert server.asked[1].headers["range"] == f"bytes=5000-{len(CONTENT) - 1}"


def test_a_refusal_that_breaks_off_is_no_refusal(serve: Serve, dial: Dialler) -> None:
    broken = reply("403 Forbidden", Content_Length="500", Connection="close")
    server = serve(in_turn(broken, reply(body=b"x")))
    assert dial(server).get("/x", max_bytes=10).body == b"x"
    assert failure(dial(serve(in_turn(broken)))).reason == "broken-off"
