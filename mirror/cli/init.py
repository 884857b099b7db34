"""`spot-mirror init`: mirror.toml, the data folder with an empty store and a first catalogue, and the signing keys.

Whole or not at all: all is made under temporary names (`.NAME.init`) beside its place and then renamed, the
configuration last; what fails is removed, and what a killed run left under those names goes with the next run.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from ca.files import replace, sync_folder
from ca.identity import check_realm
from mirror import config
from mirror.blobs import LocalBlobs, make_folder
from mirror.cli.options import config_option
from mirror.cli.passphrase import passphrase_option, reader
from mirror.errors import ConfigError
from mirror.publishing import keys as signing_keys
from mirror.publishing import publish, signing
from mirror.publishing.journal import Place
from mirror.records.sqlite import FILE_NAME, open_records

_TOML = """\
# The configuration of spot-mirror. Paths are relative to this file's folder. An unknown key is an error.

# The realm of the certificates, as given to 'spot-ca init --realm'.
realm = {realm}

# Records, catalogue, releases and logs: one folder, for the mirror's own user only.
data = {data}

# What 'publish' and 'resign' use, and 'serve' never opens.
[publishing]
# The folder of signing keys. It may lie on another machine than the one that serves.
keys = {keys}
# The passphrase of the keys, if it is to be read from a file (mode 0600) and not asked for:
# passphrase_file = "passphrase"
# Level of zstd, 1 to 22: releases are compressed once and fetched often.
level = 19

# The listener that clients talk to, with certificates of 'spot-ca'.
[content]
listen = {listen}
# The server's certificate, and its key (PEM, not encrypted, mode 0600).
certificate = {certificate}
key = {key}
# The issuing CAs whose clients may connect, and their certificate revocation lists.
issuing_cas = {issuing_cas}
crls = {crls}
# The oldest TLS spoken, "1.2" or "1.3".
min_tls = "1.2"
# Days for which a lapsed revocation list still counts.
crl_grace_days = 7
# Seconds that running downloads get after SIGTERM.
drain_seconds = 30
# Whether the audit log names the callers' addresses.
log_addresses = false
"""


class _Plan(msgspec.Struct, frozen=True):
    """The three things that init makes; each is `part` until all are done."""

    config: Path
    data: Path
    keys: Path

    @property
    def places(self) -> tuple[Path, ...]:
        return (self.keys, self.data, self.config)


@click.command(short_help="Make a mirror.")
@click.option("--realm", required=True, help="The realm of the certificates, such as build.example.com.")
@config_option
@click.option("--data", default="data", show_default=True, help="The folder of records, catalogue and releases.")
@click.option("--keys", default="keys", show_default=True, help="The folder of signing keys.")
@click.option(
    "--certificate", default="certs/ca/issued/mirror.crt", show_default=True, help="The server's certificate (PEM)."
)
@click.option(
    "--key", default="certs/ca/issued/mirror.key", show_default=True, help="The server's key (PEM, not encrypted)."
)
@click.option(
    "--issuing-ca",
    "issuing_cas",
    multiple=True,
    default=("certs/ca/issuing.crt",),
    show_default=True,
    help="The certificate of an issuing CA; may be given more than once.",
)
@click.option(
    "--crl",
    "crls",
    multiple=True,
    default=("certs/ca/crl/issuing.crl",),
    show_default=True,
    help="The revocation list of an issuing CA; may be given more than once.",
)
@click.option(
    "--listen",
    multiple=True,
    default=("127.0.0.1:8443",),
    show_default=True,
    help="ADDRESS:PORT to serve on; may be given more than once.",
)
@passphrase_option
def init(config_path: Path, realm: str, passphrase_file: Path | None, **values: str | Sequence[str]) -> None:
    """Make a mirror: configuration, data folder, signing keys, and a first catalogue that offers nothing yet.

    Relative paths are relative to the folder of the configuration. Nothing that exists is replaced.
    """
    check_realm(realm)
    base = config_path.resolve().parent
    plan = _Plan(base / config_path.name, base / str(values["data"]), base / str(values["keys"]))
    _refuse_existing(plan)
    text = _TOML.format(
        **{name: json.dumps(value, ensure_ascii=False) for name, value in {"realm": realm, **values}.items()}
    )
    passphrase = reader(passphrase_file, "Choose a passphrase for the signing keys", confirm=True)
    with _whole(plan):
        make_folder(base)
        replace(_part(plan.config), text.encode(errors="surrogateescape"))
        config.load(_part(plan.config))  # whatever it was told, it has to be a configuration
        _fill(_part(plan.data), _part(plan.keys), passphrase())
    click.echo(f"Made {plan.config}, {plan.data} and {plan.keys}.")
    click.echo(
        f"The catalogue's root, for 'spot-ca bundle --catalogue-root': {plan.data / 'catalogue' / '1.root.json'}"
    )
    click.echo("Next: spot-mirror publish PRODUCT/COMPONENT VERSION SOURCE, then spot-mirror customer add NAME")


def _fill(data: Path, keys: Path, passphrase: str) -> None:
    make_folder(data)
    ring = signing_keys.create(keys, signing.TOP_ROLES, lambda: passphrase)
    publish.start(Place(data, LocalBlobs(data)), ring, datetime.now(UTC))
    open_records(data / FILE_NAME, create=True).close()
    sync_folder(data)


def _refuse_existing(plan: _Plan) -> None:
    for path in plan.places:
        if path.exists() or path.is_symlink():
            raise ConfigError("already-there", f"{path} exists, and init replaces nothing: name another place.")


@contextmanager
def _whole(plan: _Plan) -> Iterator[None]:
    _remove(map(_part, plan.places))
    made: list[Path] = []
    try:
        yield
        for place in plan.places:
            make_folder(place.parent)
            _part(place).rename(place)
            made.append(place)
            sync_folder(place.parent)
    except BaseException:
        _remove([*map(_part, plan.places), *made])
        raise


def _part(place: Path) -> Path:
    return place.with_name(f".{place.name}.init")


def _remove(paths: Iterator[Path] | list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
