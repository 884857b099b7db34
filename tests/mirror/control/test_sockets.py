"""mirror.control.sockets: one port for all workers, nobody else's port, and systemd's sockets. Real ones."""

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.control.sockets import Sockets, given_sockets
from mirror.errors import ServeError

ANY = "127.0.0.1:0"


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    opened = Sockets()
    yield opened
    opened.close()


def port_of(sockets: Sockets) -> int:
    return int(sockets.names[0].rpartition(":")[2])


def listening(sockets: Sockets, workers: int) -> list[socket.socket]:
    """What workers do with what they are given."""
    found = [one for index in range(workers) for one in sockets.of_worker(index, workers, [ANY])]
    for one in found:
        one.listen()
    return found


def accepted(one: socket.socket) -> int:
    count = 0
    while True:
        try:
            one.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_each_worker_has_a_socket_of_its_own_on_every_address_and_one_port(sockets: Sockets) -> None:
    sockets.listen([ANY, "[::1]:0"], 3)
    assert len(sockets.names) == 2
    assert sockets.names[1].startswith("[::1]:")
    groups = [sockets.of_worker(index, 3, [ANY, "[::1]:0"]) for index in range(3)]
    assert [len(group) for group in groups] == [2, 2, 2]
    assert len({one.getsockname() for group in groups for one in group}) == 2
    assert not any(one.get_inheritable() for group in groups for one in group)


def test_connections_are_dealt_out_and_wait_for_a_worker_that_is_not_there(sockets: Sockets) -> None:
    sockets.listen([ANY], 2)
    both = listening(sockets, 2)
    callers = [socket.create_connection(("127.0.0.1", port_of(sockets))) for _ in range(60)]
    counts = [accepted(one) for one in both]
    assert sum(counts) == 60
    assert all(counts)
    for caller in callers:
        caller.close()


def test_a_port_that_another_mirror_of_the_same_user_shares_is_in_use(sockets: Sockets) -> None:
    sockets.listen([ANY], 2)
    listening(sockets, 2)
    other = Sockets()
    with pytest.raises(ServeError) as caught:
        other.listen([ANY, f"127.0.0.1:{port_of(sockets)}"], 2)
    assert caught.value.reason == "port-in-use"
    assert other.names == []


def test_more_workers_get_more_sockets_of_the_same_port_and_for_fewer_none_is_left_alone(sockets: Sockets) -> None:
    sockets.listen([ANY], 1)
    before = sockets.names
    sockets.listen([ANY], 4)
    assert (sockets.names, sockets.workers) == (before, 4)
    sockets.listen([ANY], 3)
    held = Counter(one.fileno() for index in range(3) for one in sockets.of_worker(index, 3, [ANY]))
    assert len(held) == 4
    assert set(held.values()) == {1}
    sockets.keep([ANY], 1)
    assert (sockets.names, sockets.workers) == (before, 1)


def test_another_address_is_opened_and_one_that_is_gone_is_closed(sockets: Sockets) -> None:
    sockets.listen([ANY], 1)
    port = port_of(sockets)
    sockets.listen([ANY, "[::1]:0"], 1)
    sockets.keep(["[::1]:0"])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert len(sockets.names) == 1


def test_a_worker_gets_the_sockets_of_its_own_addresses_only(sockets: Sockets) -> None:
    sockets.listen([ANY], 1)
    sockets.listen(["[::1]:0"], 1)
    assert [one.family for one in sockets.of_worker(0, 1, ["[::1]:0"])] == [socket.AF_INET6]
    assert sockets.of_worker(0, 1, ["127.0.0.1:1"]) == []


def test_what_workers_still_hold_of_an_address_that_is_gone_listens_no_more_and_it_can_be_taken_again(
    sockets: Sockets,
) -> None:
    sockets.listen([ANY], 2)
    held = [one.dup() for one in listening(sockets, 2)]
    place = ("127.0.0.1", port_of(sockets))
    with socket.create_connection(place):
        sockets.keep(())
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(place)
        again = f"127.0.0.1:{place[1]}"
        sockets.listen([again], 2)
        other = Sockets()
        with pytest.raises(ServeError) as caught:
            other.listen([again], 1)
        assert caught.value.reason == "port-in-use"
        with socket.create_connection(place):
            assert sum(map(accepted, sockets.of_worker(0, 1, [again])[:1])) == 1
    for one in held:
        one.close()


def test_an_address_that_somebody_else_took_meanwhile_is_in_use(sockets: Sockets) -> None:
    sockets.listen([ANY], 2)
    held = [one.dup() for one in listening(sockets, 2)]
    port = port_of(sockets)
    sockets.keep(())
    with socket.socket() as other:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            other.setsockopt(socket.SOL_SOCKET, option, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(ServeError) as caught:
            sockets.listen([f"127.0.0.1:{port}"], 2)
    assert caught.value.reason == "port-in-use"
    for one in held:
        one.close()


def test_what_systemd_gave_goes_on_to_listen_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        sockets = Sockets([given.dup()])
        sockets.close()
        socket.create_connection(given.getsockname()).close()


@pytest.mark.parametrize(
    ("address", "reason"),
    [("192.0.2.1:8443", "no-such-address"), ("no.invalid:8443", "cannot-listen"), ("[::1%nowhere]:1", "cannot-listen")],
)
def test_what_cannot_be_listened_on_is_named_and_nothing_of_the_call_stays_open(
    sockets: Sockets, address: str, reason: str
) -> None:
    sockets.listen([ANY], 1)
    before = descriptors()
    with pytest.raises(ServeError) as caught:
        sockets.listen([ANY, "[::1]:0", address], 2)
    assert caught.value.reason == reason
    assert address in str(caught.value)
    assert descriptors() == before
    assert (len(sockets.names), sockets.workers) == (1, 1)


def test_nothing_is_taken_for_given_that_systemd_did_not_give_to_this_process() -> None:
    for environment in ({}, {"LISTEN_FDS": "1"}, {"LISTEN_FDS": "1", "LISTEN_PID": "1"}, {"LISTEN_PID": "17"}):
        assert given_sockets(environment, 17) == []
    assert given_sockets({"LISTEN_FDS": "many", "LISTEN_PID": "17"}, 17) == []


def test_given_sockets_are_shared_by_all_workers_and_addresses_play_no_part() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        sockets = Sockets([given])
        sockets.listen(["192.0.2.1:1"], 3)
        assert [sockets.of_worker(index, 3, ["192.0.2.1:1"]) for index in range(3)] == [[given]] * 3
        assert sockets.names == [f"127.0.0.1:{given.getsockname()[1]}"]
