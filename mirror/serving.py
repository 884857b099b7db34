"""What a configuration leads to, read and checked before anything is served by it: for control, and for its workers."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from os import sched_getaffinity
from pathlib import Path

import msgspec
from cryptography import x509

from ca.credentials import Credentials
from ca.tls import read_credentials
from mirror import expiry
from mirror.certificates import key_id, read_certificate, read_issuer
from mirror.config import Config, Content
from mirror.content.memory import Fixed, State
from mirror.control.orders import Narrow
from mirror.errors import ServeError
from mirror.tls import Context, listener_context


class Serving(msgspec.Struct, frozen=True):
    """A configuration, and what it names.

    credentials: the server's. context: made of them and the issuing CAs. operator: the certificate of the operator
    listener, if it has one of its own; for control only.
    """

    config: Config
    content: Content
    credentials: Credentials
    issuers: tuple[x509.Certificate, ...]
    context: Context
    operator: x509.Certificate | None = None

    @property
    def workers(self) -> int:
        """How many are to serve."""
        number = self.content.workers
        return len(sched_getaffinity(0)) if number == "auto" else number

    @property
    def fixed(self) -> Fixed:
        """What a memory is read by."""
        days = self.content.crl_grace_days, self.content.renewal_grace_days
        return Fixed(self.config.realm, self.issuers, *(timedelta(days=number) for number in days))

    @property
    def narrow(self) -> Narrow:
        """What holds for those, too, who were let in before there was this configuration."""
        return Narrow(tuple(key_id(one).hex() for one in self.issuers), self.content.crl_grace_days)

    def lapses(self, state: State) -> list[expiry.Lapse]:
        """What will lapse."""
        grace = self.fixed.grace
        lists, issuers = state.world.revocations.values(), state.world.issuers.items()
        of_operator = [self.operator] if self.operator is not None else []
        leaf = self.credentials.chain[0]
        return [
            *expiry.of_catalogue(state.catalogue.expires, self.config.lifetimes.life),
            *(expiry.of_list(crl.issuer_key, crl.this_update, crl.next_update, grace) for crl in lists),
            *(expiry.of_issuer(key, one.not_before, one.not_after) for key, one in issuers),
            expiry.of_server(leaf.not_valid_before_utc, leaf.not_valid_after_utc),
            *(expiry.of_operator(one.not_valid_before_utc, one.not_valid_after_utc) for one in of_operator),
        ]

    def ready(self, addresses: Sequence[str], state: State) -> str:
        """The line that tells that it serves, and for whom."""
        where = ", ".join(f"https://{address}" for address in addresses)
        catalogue_until = min(state.catalogue.expires.values())
        list_until = min(crl.next_update for crl in state.world.revocations.values())
        return (
            f"spot-mirror: ready on {where}, realm {self.config.realm}, "
            f"catalogue {state.catalogue.version} until {catalogue_until:%Y-%m-%d}, "
            f"revocation list until {list_until:%Y-%m-%d}, "
            f"{state.customers} customer{'' if state.customers == 1 else 's'}"
        )


def utc_now() -> datetime:
    """The clock of the running mirror."""
    return datetime.now(UTC)


def content_of(config: Config) -> Content:
    """The section [content]. Raises ServeError: there is none."""
    if config.content is None:
        raise ServeError("no-content", "The configuration has no section [content]: add it; 'init' shows an example.")
    return config.content


def read_serving(config: Config) -> Serving:
    """Read and check the certificates and keys that a configuration names.

    Raises:
        ServeError: no [content] section.
        CaError, MirrorError, OSError: a file cannot be used.
    """
    content = content_of(config)
    credentials = read_credentials(Path(content.certificate), Path(content.key))
    issuers = [read_issuer(Path(path), config.realm) for path in content.issuing_cas]
    own = config.operator.certificate if config.operator is not None else None
    operator = read_certificate(Path(own)) if own is not None else None
    return msgspec.structs.replace(serving_of(config, credentials, issuers), operator=operator)


def serving_of(config: Config, credentials: Credentials, issuers: Sequence[x509.Certificate]) -> Serving:
    """What a configuration leads to, with certificates and keys that were read before.

    Raises:
        ServeError: no [content] section.
        TlsError: they cannot serve.
    """
    content = content_of(config)
    context = listener_context(credentials, issuers, content.min_tls)
    return Serving(config, content, credentials, tuple(issuers), context)
