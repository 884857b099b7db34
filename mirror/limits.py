"""What one mirror lets its callers cost it, as configured under `[content.limits]`. Pure: numbers and their bounds.

All numbers are of the whole machine: `for_worker` says what each of its workers holds to.
"""

from typing import Annotated

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=1, le=600)]
Many = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Times in seconds, sizes in bytes, rates a second.

    handshake_seconds, header_seconds, body_seconds: how long each may take as a whole. idle_seconds: between
    requests. handshake_bytes: of what a caller sends for its handshake. header_bytes: of all headers of a request
    with its first line. body_rate, answer_rate: the slowest pace of a body that a caller sends or of an answer that
    it reads. connections...: at the same time. handshakes: those of them that have not proved a certificate yet.
    handshake_rate: how many an address may begin, on average. requests_per...: on average; twice as many seconds'
    worth may be saved up, of handshakes, too. thin_snapshot_seconds: an installation may store one so often; eight
    may be saved up.
    """

    handshake_seconds: Seconds = 10
    handshake_bytes: Annotated[int, msgspec.Meta(ge=4096, le=65536)] = 8192
    header_seconds: Seconds = 10
    header_bytes: Annotated[int, msgspec.Meta(ge=1024, le=65536)] = 16384
    body_seconds: Seconds = 20
    body_rate: Many = 1024
    answer_rate: Many = 512
    idle_seconds: Seconds = 30
    connections: Many = 20_000
    connections_per_customer: Many = 5_000
    connections_per_address: Many = 1_000
    handshakes: Many = 512
    handshake_rate: Many = 400
    requests_per_installation: Many = 100
    requests_per_customer: Many = 5_000
    thin_snapshot_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 60

    def for_worker(self, workers: int) -> "Limits":
        """One worker's share; what is per installation or a time is not divided, since a connection has one worker."""

        def share(number: int) -> int:
            return -(-number // workers)

        return msgspec.structs.replace(
            self,
            connections=share(self.connections),
            connections_per_customer=share(self.connections_per_customer),
            connections_per_address=share(self.connections_per_address),
            handshakes=share(self.handshakes),
            handshake_rate=share(self.handshake_rate),
            requests_per_customer=share(self.requests_per_customer),
        )
