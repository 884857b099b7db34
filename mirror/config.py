"""mirror.toml: read once, strictly, with every path made absolute. An unknown key is an error, never ignored.

The file names keys and passphrase files by path; it holds no secret itself.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ca.errors import IdentityError
from ca.identity import check_realm
from mirror.errors import ConfigError

MAX_BYTES = 256 * 2**10

Address = Annotated[str, msgspec.Meta(pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}\Z")]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*\Z", min_length=1, max_length=4096)]

_MAX_PORT = 65535


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content listener. Files: PEM, the key unencrypted and readable by its owner only."""

    listen: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1, max_length=16)]
    certificate: File
    key: File
    issuing_cas: Annotated[tuple[File, ...], msgspec.Meta(min_length=1, max_length=16)]
    crls: Annotated[tuple[File, ...], msgspec.Meta(min_length=1, max_length=16)]
    min_tls: Literal["1.2", "1.3"] = "1.2"
    crl_grace_days: Annotated[int, msgspec.Meta(ge=0, le=90)] = 7
    drain_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 30
    log_addresses: bool = False


class Publishing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `publish` uses and `serve` never opens. `keys`: the folder of signing keys; `level`: of zstd."""

    keys: File = "keys"
    passphrase_file: File | None = None
    level: Annotated[int, msgspec.Meta(ge=1, le=22)] = 19


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file. Paths are absolute once `load` has returned it."""

    realm: str
    data: File = "data"
    content: Content | None = None
    publishing: Publishing = Publishing()

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
        raise ConfigError("bad-value", f"{path}: {error}. 'spot-mirror init' writes a commented example.") from error
    _check(config, path)
    return _absolute(config, path.resolve().parent)


def _check(config: Config, path: Path) -> None:
    try:
        check_realm(config.realm)
    except IdentityError as error:
        raise ConfigError("bad-value", f"{path}: {error}") from error
    for address in config.content.listen if config.content else ():
        if int(address.rpartition(":")[2]) > _MAX_PORT:
            raise ConfigError("bad-value", f"{path}: {address} has no port: ports go up to {_MAX_PORT}.")


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
    publishing = config.publishing
    passphrase = publishing.passphrase_file
    publishing = msgspec.structs.replace(
        publishing, keys=at(publishing.keys), passphrase_file=None if passphrase is None else at(passphrase)
    )
    return msgspec.structs.replace(config, data=at(config.data), content=content, publishing=publishing)
