"""What a configuration leads to, read and checked before anything is served by it: for control, and for its workers."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from os import sched_getaffinity
from pathlib import Path

import msgspec
from cryptography import x509
from structlog.typing import FilteringBoundLogger

from ca.tls import server_context
from mirror import catalogue, expiry
from mirror.certificates import read_certificate, read_issuer
from mirror.config import Config, Content
from mirror.content.memory import Memory, Sources
from mirror.errors import ServeError
from mirror.records.protocol import Records


class Serving(msgspec.Struct, frozen=True):
    """A configuration, and what it names. `leaf`: the server's certificate."""

    config: Config
    content: Content
    context: ssl.SSLContext
    leaf: x509.Certificate
    memory: Memory

    @property
    def workers(self) -> int:
        """How many are to serve."""
        number = self.content.workers
        return len(sched_getaffinity(0)) if number == "auto" else number

    def lapses(self) -> list[expiry.Lapse]:
        """What will lapse."""
        state, leaf = self.memory.state, self.leaf
        lists, issuers = state.world.revocations.values(), state.world.issuers.items()
        return [
            *expiry.of_catalogue(state.catalogue.expires, self.config.lifetimes.life),
            *(expiry.of_list(crl.issuer_key, crl.this_update, crl.next_update) for crl in lists),
            *(expiry.of_issuer(key, one.not_before, one.not_after) for key, one in issuers),
            expiry.of_server(leaf.not_valid_before_utc, leaf.not_valid_after_utc),
        ]

    def ready(self, addresses: Sequence[str]) -> str:
        """The line that tells that it serves, and for whom."""
        state = self.memory.state
        where = ", ".join(f"https://{address}" for address in addresses)
        customers = len(state.world.customers)
        catalogue_until = min(state.catalogue.expires.values())
        list_until = min(crl.next_update for crl in state.world.revocations.values())
        return (
            f"spot-mirror: ready on {where}, realm {self.config.realm}, "
            f"catalogue {state.catalogue.version} until {catalogue_until:%Y-%m-%d}, "
            f"revocation list until {list_until:%Y-%m-%d}, {customers} customer{'' if customers == 1 else 's'}"
        )


def utc_now() -> datetime:
    """The clock of the running mirror."""
    return datetime.now(UTC)


def content_of(config: Config) -> Content:
    """The section [content]. Raises ServeError: there is none."""
    if config.content is None:
        raise ServeError("no-content", "The configuration has no section [content]: add it; 'init' shows an example.")
    return config.content


def read_serving(config: Config, records: Records, log: FilteringBoundLogger) -> Serving:
    """Read and check all that a configuration names.

    Raises:
        ServeError: no [content] section, an issuing CA without CRL.
        CaError, MirrorError, OSError: a file, the store or the catalogue cannot be used.
    """
    content = content_of(config)
    issuers = [read_issuer(Path(path), config.realm) for path in content.issuing_cas]
    context = server_context(
        certificate=Path(content.certificate), key=Path(content.key), issuing_cas=issuers, min_tls=content.min_tls
    )
    leaf = read_certificate(Path(content.certificate))
    sources = Sources(
        realm=config.realm,
        issuers=issuers,
        crls=[Path(path) for path in content.crls],
        grace=timedelta(days=content.crl_grace_days),
        records=records,
        catalogue=config.data_dir / "catalogue",
        load=catalogue.load,
    )
    return Serving(config, content, context, leaf, Memory(sources, utc_now(), log))
