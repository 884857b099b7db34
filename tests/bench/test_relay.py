"""The relay carries what it is given, both ways, and counts it."""

import socket
import threading
import time

from bench.relay import Carried, Relay


def test_what_goes_by_is_carried_and_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Relay(server.getsockname()[1]) as relay:
        answered = threading.Thread(target=_answer, args=(server, 2))
        answered.start()
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", relay.port), timeout=5) as client:
                client.sendall(b"x" * 100_000)
                client.shutdown(socket.SHUT_WR)
                assert client.makefile("rb").read() == b"y" * 7
        answered.join(timeout=5)
        end = time.monotonic() + 5
        while relay.carried() != Carried(200_000, 14, 2) and time.monotonic() < end:
            time.sleep(0.01)
        assert relay.carried() == Carried(200_000, 14, 2)


def _answer(server: socket.socket, times: int) -> None:
    for _ in range(times):
        connection, _ = server.accept()
        with connection:
            assert len(connection.makefile("rb").read()) == 100_000
            connection.sendall(b"y" * 7)
