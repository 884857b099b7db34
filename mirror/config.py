"""mirror.toml: read once, strictly, with every path made absolute. An unknown key is an error, never ignored.

The file names keys and passphrase files by path; it holds no secret itself.
"""

import tomllib
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ca.errors import IdentityError
from ca.identity import check_realm
from mirror.errors import ConfigError
from mirror.limits import Limits
from mirror.mistakes import in_words

MAX_BYTES = 256 * 2**10

Address = Annotated[str, msgspec.Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}\Z")]
Network = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-fA-F:.]+(/[0-9]{1,3})?\Z")]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z", min_length=1, max_length=4096)]

_MAX_PORT = 65535
_OPTIONAL_FILES = ("passphrase_file", "online_keys", "online_passphrase_file", "high_water")


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content listener. Files: PEM, the key unencrypted and readable by its owner only.

    workers: how many processes serve; "auto" is one a core. proxies: networks of balancers that pass TCP through and
    say before TLS whose connection it is (PROXY protocol, version 2).
    """

    listen: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1, max_length=16)]
    certificate: File
    key: File
    issuing_cas: Annotated[tuple[File, ...], msgspec.Meta(min_length=1, max_length=16)]
    crls: Annotated[tuple[File, ...], msgspec.Meta(min_length=1, max_length=16)]
    min_tls: Literal["1.2", "1.3"] = "1.2"
    crl_grace_days: Annotated[int, msgspec.Meta(ge=0, le=90)] = 7
    renewal_grace_days: Annotated[int, msgspec.Meta(ge=0, le=366)] = 30
    drain_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 30
    reload_drain_seconds: Annotated[int, msgspec.Meta(ge=0, le=86400)] = 3600
    log_addresses: bool = False
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] | Literal["auto"] = "auto"
    proxies: Annotated[tuple[Network, ...], msgspec.Meta(max_length=64)] = ()
    limits: Limits = Limits()


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The listener of health and metrics, if there is to be one.

    token_file: the bearer token that is asked for, in its first line, mode 0600; without one, only addresses of this
    machine itself can be listened on.
    """

    listen: Address
    token_file: File | None = None


class Operator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The listener that the issuing host calls, if there is to be one.

    certificate, key: what it serves with, as of the content listener; left out, the same ones.
    """

    listen: Address
    certificate: File | None = None
    key: File | None = None


class Publishing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What signs and publishes, and `serve` never opens.

    keys: the folder that knows the keys of people. online_keys: that of the keys of snapshot and timestamp, which
    `catalogue-timer` uses; without it they are among `keys`, and the commands that change the catalogue use them.
    high_water: a file on another disk in which it is written down how far the catalogue has gone, for a restore.
    level: of zstd.
    """

    keys: File = "keys"
    passphrase_file: File | None = None
    online_keys: File | None = None
    online_passphrase_file: File | None = None
    high_water: File | None = None
    level: Annotated[int, msgspec.Meta(ge=1, le=22)] = 19


class Lifetimes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long the catalogue's statements hold, and how often the timer signs."""

    root_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    targets_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    products_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    snapshot_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    timestamp_days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 3
    timestamp_every_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 6

    def life(self, role: str) -> timedelta:
        """How long a statement of `role` holds from its signing on."""
        own = {"root": self.root_days, "targets": self.targets_days}
        own |= {"snapshot": self.snapshot_days, "timestamp": self.timestamp_days}
        return timedelta(days=own.get(role, self.products_days))


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Paths are absolute once `load` has returned it."""

    realm: str
    data: File = "data"
    content: Content | None = None
    health: Health | None = None
    operator: Operator | None = None
    publishing: Publishing = Publishing()
    lifetimes: Lifetimes = Lifetimes()

    @property
    def data_dir(self) -> Path:
        """The folder of everything the mirror keeps: records, catalogue, releases, logs."""
        return Path(self.data)


def load(path: Path) -> Config:
    """Read mirror.toml; relative paths in it are relative to its folder.

    Raises:
        ConfigError: reason `missing-file`, `unreadable-file`, `too-large`, `not-toml`, or `bad-value`, of which an
            unknown key is one.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except PermissionError as error:
        hint = "Root may read it, and the mirror's own user: 'runuser -u spot-mirror -- spot-mirror ...'."
        raise ConfigError(
            "unreadable-file", f"Cannot read the configuration {path}: permission denied. {hint}"
        ) from error
    except OSError as error:
        hint = "Name it with --config, or make one with 'spot-mirror init'."
        raise ConfigError("missing-file", f"Cannot read the configuration {path}: {error.strerror}. {hint}") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError("too-large", f"{path} has more than {MAX_BYTES} bytes: that is not a configuration.")
    try:
        builtins = tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise ConfigError("not-toml", f"{path} is not TOML: {error}.") from error
    try:
        config = msgspec.convert(builtins, Config, strict=True)
    except msgspec.ValidationError as error:
        hint = "docs/reference/configuration.md tells of every key."
        raise ConfigError("bad-value", f"{path}: {in_words(str(error), Config)}. {hint}") from error
    _check(config, path)
    return _absolute(config, path.resolve().parent)


def _check(config: Config, path: Path) -> None:
    try:
        check_realm(config.realm)
    except IdentityError as error:
        raise ConfigError("bad-value", f"{path}: {error}") from error
    lives = config.lifetimes
    if lives.timestamp_every_hours * 2 > lives.timestamp_days * 24 or lives.timestamp_days > lives.snapshot_days:
        raise ConfigError(
            "bad-value",
            f"{path}: under [lifetimes], timestamp_every_hours is half of timestamp_days at most, and timestamp_days "
            "no more than snapshot_days: else the catalogue would lapse between two turns of the timer.",
        )
    addresses = [*config.content.listen] if config.content else []
    addresses += [one.listen for one in (config.health, config.operator) if one is not None]
    for address in addresses:
        if int(address.rpartition(":")[2]) > _MAX_PORT:
            raise ConfigError("bad-value", f"{path}: {address} has no port: ports go up to {_MAX_PORT}.")
    if config.health and config.health.token_file is None and not _is_loopback(config.health.listen):
        raise ConfigError(
            "bad-value",
            f"{path}: health.listen: {config.health.listen} is not this machine alone (127.0.0.1, [::1]), so a token "
            "has to be asked for there: name its file as health.token_file.",
        )
    if config.operator and (config.operator.certificate is None) != (config.operator.key is None):
        raise ConfigError(
            "bad-value", f"{path}: operator.certificate and operator.key belong together: name both, or neither."
        )
    for network in config.content.proxies if config.content else ():
        _check_balancers(network, path)


def _check_balancers(network: str, path: Path) -> None:
    try:
        found = ip_network(network, strict=False)
    except ValueError as error:
        raise ConfigError("bad-value", f"{path}: content.proxies: {error}.") from error
    where = f"{path}: content.proxies: {network} is"
    if found.prefixlen == 0:
        raise ConfigError(
            "bad-value", f"{where} everybody, who could then say where they come from: name the balancers' addresses."
        )
    address = network.partition("/")[0]
    if ip_address(address) != found.network_address:
        raise ConfigError(
            "bad-value", f"{where} an address with the size of a network: name {found}, or {address} alone."
        )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address.rpartition(":")[0].strip("[]")).is_loopback
    except ValueError:
        return False  # a name may lead anywhere


def _absolute(config: Config, base: Path) -> Config:
    def at(name: str) -> str:
        return str(base / name)

    content = config.content
    if content is not None:
        content = msgspec.structs.replace(
            content,
            certificate=at(content.certificate),
            key=at(content.key),
            issuing_cas=tuple(map(at, content.issuing_cas)),
            crls=tuple(map(at, content.crls)),
        )
    health = config.health
    if health is not None and health.token_file is not None:
        health = msgspec.structs.replace(health, token_file=at(health.token_file))
    operator = config.operator
    if operator is not None and operator.certificate is not None and operator.key is not None:
        operator = msgspec.structs.replace(operator, certificate=at(operator.certificate), key=at(operator.key))
    publishing = config.publishing
    optional = {name: getattr(publishing, name) for name in _OPTIONAL_FILES}
    there = {name: at(value) for name, value in optional.items() if value is not None}
    publishing = msgspec.structs.replace(publishing, keys=at(publishing.keys), **there)
    return msgspec.structs.replace(
        config, data=at(config.data), content=content, health=health, operator=operator, publishing=publishing
    )
