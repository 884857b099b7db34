"""`spot-mirror init`: mirror.toml, the data folder with an empty store and a first catalogue, and the signing keys.

Whole or not at all: all is made under temporary names (`.NAME.init`) beside its place and then renamed, the
configuration last; what fails is removed, and what a killed run left under those names goes with the next run.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import click
import msgspec

from ca.files import replace, sync_folder
from ca.identity import check_realm
from mirror import config
from mirror.blobs import LocalBlobs, make_folder
from mirror.cli.options import config_option
from mirror.cli.passphrase import passphrase_option, reader
from mirror.cli.template import ONLINE, TOML
from mirror.errors import ConfigError
from mirror.place import Place
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.signing import ring as ring_of
from mirror.signing.founding import found, holders
from mirror.signing.keys import read_public
from mirror.signing.means import Signing
from mirror.signing.roles import Keyholders

_QUOTED = frozenset({"realm", "data", "keys", "listen", "certificate", "key", "issuing_cas", "crls", "online_keys"})
_NEITHER = (
    "Say who signs. For a mirror that customers use: --root-key and --person, each with the public keys of people "
    "('spot-mirror keys create' makes them; three of each is a good number), of whom two have to sign. To try things "
    "out on one machine: --development, by which one passphrase signs everything."
)


class _Plan(msgspec.Struct, frozen=True):
    """The things that init makes; each is `part` until all are done."""

    config: Path
    data: Path
    keys: Path
    online: Path | None

    @property
    def places(self) -> tuple[Path, ...]:
        found = (self.keys, self.online, self.data, self.config)
        return tuple(path for path in found if path is not None)


class _People(msgspec.Struct, frozen=True):
    """Who signs: names and public keys, and how many of them have to."""

    root: dict[str, str]
    root_threshold: int
    people: dict[str, str]
    threshold: int


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
@click.option("--development", is_flag=True, help="One key for each role, all here: for trying things out only.")
@click.option(
    "--root-key",
    "root_keys",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    metavar="FILE.pub",
    help="The public key of a holder of the root, kept offline; give three.",
)
@click.option(
    "--person",
    "people",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    metavar="FILE.pub",
    help="The public key of somebody who signs releases; give three.",
)
@click.option(
    "--root-threshold", type=click.IntRange(1, 16), default=2, show_default=True, help="How many sign a root."
)
@click.option("--threshold", type=click.IntRange(1, 16), default=2, show_default=True, help="How many sign a release.")
@click.option("--online-keys", default="online-keys", show_default=True, help="The folder of the timer's keys.")
@passphrase_option
def init(config_path: Path, realm: str, passphrase_file: Path | None, **values: Any) -> None:
    """Make a mirror: configuration, data folder, signing keys, and a first catalogue that offers nothing yet.

    Two people sign a release, and two holders of the root a change of keys: name their public keys. The first catalogue
    then waits for their signatures. With --development everything is signed here and at once.

    Relative paths are relative to the folder of the configuration. Nothing that exists is replaced.
    """
    check_realm(realm)
    who = _people(values)
    base = config_path.resolve().parent
    online = None if who is None else base / str(values["online_keys"])
    plan = _Plan(base / config_path.name, base / str(values["data"]), base / str(values["keys"]), online)
    _refuse_existing(plan)
    named = {"realm": realm, **values}
    quoted = {name: json.dumps(value, ensure_ascii=False) for name, value in named.items() if name in _QUOTED}
    text = TOML.format(**quoted, online="" if online is None else ONLINE.format(folder=quoted["online_keys"]))
    what = "the signing keys" if who is None else "the online keys of snapshot and timestamp"
    passphrase = reader(passphrase_file, f"Choose a passphrase for {what}", confirm=True)
    with _whole(plan):
        make_folder(base)
        replace(_part(plan.config), text.encode(errors="surrogateescape"))
        config.load(_part(plan.config))  # whatever it was told, it has to be a configuration
        _fill(plan, who, passphrase())
    click.echo(f"Made {', '.join(str(path) for path in reversed(plan.places[1:]))} and {plan.keys}.")
    _say_next(plan, who)


def _people(values: Mapping[str, Any]) -> _People | None:
    """Who signs; None: everything is signed here."""
    root_keys, people = values["root_keys"], values["people"]
    if values["development"]:
        if root_keys or people:
            raise click.UsageError("--development makes its own keys: leave --root-key and --person out.")
        return None
    if not root_keys or not people:
        raise click.UsageError(_NEITHER)
    root, others = dict(map(read_public, root_keys)), dict(map(read_public, people))
    if len(root) < len(root_keys) or len(others) < len(people) or len({**root, **others}) < len(root) + len(others):
        raise click.UsageError("Each key of --root-key and --person has a name of its own: name each file once.")
    return _People(root, values["root_threshold"], others, values["threshold"])


def _fill(plan: _Plan, who: _People | None, passphrase: str) -> None:
    data, keys = _part(plan.data), _part(plan.keys)
    make_folder(data)
    if who is None:
        ring = online = ring_of.create(keys, ("root", "publisher", "snapshot", "timestamp"), lambda: passphrase)
        who = _People(dict.fromkeys(["root"], ""), 1, dict.fromkeys(["publisher"], ""), 1)
    else:
        ring = ring_of.create(keys, (), lambda: passphrase)
        online = ring_of.create(_part(cast("Path", plan.online)), ("snapshot", "timestamp"), lambda: passphrase)
        for name, public in {**who.root, **who.people}.items():
            ring.add(name, public)
        for name, key in online.keys.items():
            ring.add(name, key.public)
    root, people = holders(ring, who.root_threshold, tuple(who.root)), holders(ring, who.threshold, tuple(who.people))
    roles = {"root": root, "targets": people, "house": people, "halts": Keyholders(1, people.keys)}
    roles |= {role: holders(online, 1, (role,)) for role in ("snapshot", "timestamp")}
    place = Place(data, LocalBlobs(data))
    found(Signing(place=place, ring=ring, online=online, clock=lambda: datetime.now(UTC)), roles)
    open_records(data / FILE_NAME, create=True).close()
    sync_folder(data)


def _say_next(plan: _Plan, who: _People | None) -> None:
    root = plan.data / "catalogue" / "1.root.json"
    if who is None:
        click.echo(f"The catalogue's root, for 'spot-ca bundle --catalogue-root': {root}")
        click.echo("One key signs everything here: that is for development, and 'spot-mirror check' says so.")
        click.echo("Next: spot-mirror publish PRODUCT/COMPONENT VERSION SOURCE, then spot-mirror customer add NAME")
        return
    click.echo(f"The first catalogue waits for {who.root_threshold} of {', '.join(who.root)} (root) and")
    click.echo(f"{who.threshold} of {', '.join(who.people)} (releases).")
    click.echo("Next: spot-mirror signing export to-sign, which they sign where their keys are: spot-mirror staged")
    click.echo(f"Once it is signed, and 'spot-mirror catalogue-timer' runs, its root is {root}")


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
