"""The listening sockets: opened by control, lent to workers, and open for as long as their address is configured.

Each address has a socket for every worker, all on one port (SO_REUSEPORT): the kernel deals connections out among
them. Since control holds them too, a connection that came while its worker was dead waits for the next one. Where
systemd opened the sockets (sd_listen_fds(3)), all workers share those.
"""

import errno
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from mirror.errors import ServeError

_BACKLOG: Final = 1024
_FIRST_GIVEN: Final = 3
_MAX_GIVEN: Final = 64
_REASONS: Final = {
    errno.EADDRINUSE: ("port-in-use", "another process listens there. Stop it, or change content.listen"),
    errno.EACCES: (
        "no-permission",
        "this user may not by itself. Use the systemd unit in deploy/, setpriv as in docs/ops.md, or a port above 1023",
    ),
    errno.EADDRNOTAVAIL: ("no-such-address", "this machine has no such address. Change content.listen"),
}


class Sockets:
    """What is listened on. A number of workers, once there, keeps its sockets: none is closed while it may hold a
    connection that nobody has accepted yet."""

    def __init__(self, given: Sequence[socket.socket] = ()) -> None:
        """`given`: those that systemd opened; then addresses play no part."""
        self._given = [*given]
        self._open: dict[str, list[list[socket.socket]]] = {}  # by address: for each of its names, one a worker

    def listen(self, addresses: Sequence[str], workers: int) -> None:
        """See that every address (`HOST:PORT`) is listened on by so many workers; port 0 becomes one port for all.

        Raises:
            ServeError: reason `port-in-use`, `no-permission`, `no-such-address` or `cannot-listen`; nothing of this
                call is open then.
        """
        if self._given:
            return
        opened: dict[str, list[list[socket.socket]]] = {}
        with ExitStack() as undo:
            for address in addresses:
                try:
                    groups = [[*group] for group in self._open.get(address, ())] or _first(address, undo)
                    for group in groups:
                        group += [_another(group[0], undo) for _ in range(len(group), workers)]
                except (OSError, UnicodeError) as error:  # a name that no resolver takes
                    raise _cannot_listen(address, error) from error
                opened[address] = groups
            undo.pop_all()
        self._open |= opened

    def keep(self, addresses: Sequence[str], workers: int | None = None) -> None:
        """Listen no more on what is not among the addresses, whoever holds it; and close what is for more than so many
        workers."""
        for address in self._open.keys() - set(addresses):
            for group in self._open.pop(address):
                _end(group)
        for group in self._groups() if workers is not None else ():
            _close(group[workers:])
            del group[workers:]

    def of_worker(self, index: int, workers: int, addresses: Sequence[str]) -> list[socket.socket]:
        """Those of these addresses for the worker of that number, counted from 0; every socket has a worker."""
        groups = [group for address in addresses for group in self._open.get(address, ())]
        return [*self._given, *(one for group in groups for one in group[index::workers])]

    @property
    def workers(self) -> int:
        """For how many workers there are sockets."""
        return max((len(group) for group in self._groups()), default=0)

    @property
    def names(self) -> list[str]:
        """Where is listened, as `HOST:PORT`, with the ports that port 0 became."""
        found = [one.getsockname() for one in [*self._given, *(group[0] for group in self._groups())]]
        return [f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}" for name in found]

    def close(self) -> None:
        """Let go of all; workers still hold theirs, and whoever gave some goes on to listen there."""
        _close(self._given)
        for group in self._groups():
            _close(group)
        self._open.clear()

    def _groups(self) -> list[list[socket.socket]]:
        return [group for groups in self._open.values() for group in groups]


def given_sockets(environment: Mapping[str, str], pid: int) -> list[socket.socket]:
    """The sockets that systemd opened for this process, if it did.

    Raises:
        ServeError: reason `bad-socket`: one of them is no listening TCP socket.
    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(pid) or not (count.isascii() and count.isdigit()):
        return []
    return [_given(_FIRST_GIVEN + number) for number in range(min(int(count), _MAX_GIVEN))]


def _given(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
        inet = found.family in {socket.AF_INET, socket.AF_INET6} and found.type == socket.SOCK_STREAM
        listens = inet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError:
        listens = 0
    if not listens:
        raise ServeError(
            "bad-socket", "What systemd hands over is no listening TCP socket: correct ListenStream= there."
        )
    found.set_inheritable(False)
    found.setblocking(False)
    return found


def _first(address: str, undo: ExitStack) -> list[list[socket.socket]]:
    """A socket on each of the addresses that a name stands for. Raises OSError.

    It is bound before it may share its port: so a port that another mirror of this user listens on is in use.
    """
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )
    groups = []
    for family, *_, place in found:
        first = _new(family, undo)
        first.bind(place)
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        first.listen(_BACKLOG)
        groups.append([first])
    return groups


def _another(first: socket.socket, undo: ExitStack) -> socket.socket:
    """One more on the same port; its worker begins to listen. Raises OSError.

    Until then the kernel gives it no connections, which would wait there in vain if the worker could not be started.
    """
    more = _new(first.family, undo)
    more.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    more.bind(first.getsockname())
    return more


def _new(family: int, undo: ExitStack) -> socket.socket:
    new = socket.socket(family, socket.SOCK_STREAM)
    undo.callback(new.close)
    new.setblocking(False)
    new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return new


def _end(sockets: Sequence[socket.socket]) -> None:
    """Close what workers may still hold, even one that hangs.

    Shut down, a socket listens no more for anybody who has it, and does not keep its address from being taken again:
    so the port need not be shared for that, and somebody else's is still told of as in use.
    """
    for one in sockets:
        with suppress(OSError):  # it does not listen
            one.shutdown(socket.SHUT_RD)
    _close(sockets)


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _cannot_listen(address: str, error: OSError | UnicodeError) -> ServeError:
    number, said = (error.errno, error.strerror) if isinstance(error, OSError) else (None, None)
    reason, hint = _REASONS.get(number or 0, ("cannot-listen", f"{said or error}. Check content.listen"))
    return ServeError(reason, f"Cannot listen on {address}: {hint}.")
