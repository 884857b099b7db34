"""How many installations a core serves: arithmetic on what was measured. Pure; docs/capacity.md is held to it."""

from typing import Final

import msgspec

GIB: Final = 2**30


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What a mirror spends. CPU in seconds of one core, sizes in bytes.

    handshake: mutual TLS 1.3 with RSA-2048 on both sides, from accept to close. small: a request of a few KiB on an
    open connection. shed: a connection that is closed as soon as it came. per_gb: CPU for 10^9 bytes of packs or
    deltas. poll_bytes: what a poll without news puts on the wire, both ways. connection_bytes: memory of an open
    connection. worker_bytes: memory of a worker with nothing to do. busy: the part of its time that a core may work, on
    average.
    """

    handshake: float = 0.00072
    small: float = 0.000035
    shed: float = 0.000040
    per_gb: float = 0.38
    poll_bytes: int = 3700
    connection_bytes: int = 56 * 2**10
    worker_bytes: int = 60 * 2**20
    busy: float = 0.5


MEASURED: Final = Costs()


def poll(costs: Costs, requests: int = 1) -> float:
    """CPU seconds of one look for news: a connection and its requests."""
    return costs.handshake + requests * costs.small


def polls_per_core(costs: Costs, requests: int = 1) -> float:
    """Looks a second that one core answers, no busier than it may be."""
    return costs.busy / poll(costs, requests)


def installations_per_core(costs: Costs, every: float, requests: int = 1) -> float:
    """Installations that one core serves if each looks once in `every` seconds."""
    return polls_per_core(costs, requests) * every


def cores(costs: Costs, installations: int, every: float, requests: int = 1) -> float:
    """Cores for so many installations that look once in `every` seconds."""
    return installations / installations_per_core(costs, every, requests)


def cores_for_update(costs: Costs, installations: int, each_bytes: float, within: float) -> float:
    """Cores for an update of `each_bytes` that all get within so many seconds."""
    return installations * each_bytes / 1e9 * costs.per_gb / within / costs.busy


def bits_per_second(installations: int, each_bytes: float, within: float) -> float:
    """What the line carries while all get `each_bytes` within so many seconds."""
    return installations * each_bytes * 8 / within


def memory_bytes(costs: Costs, workers: int, connections: int) -> int:
    """Memory of the workers with so many open connections; the records and the catalogue come on top."""
    return workers * costs.worker_bytes + connections * costs.connection_bytes
