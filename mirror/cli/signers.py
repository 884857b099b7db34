"""What the commands that sign share: whose key, from which folder, with what passphrase; and how they tell of it."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from mirror import config
from mirror.blobs import LocalBlobs
from mirror.cli.output import counted, printable
from mirror.cli.passphrase import passphrase_option, reader
from mirror.config import Config, Lifetimes
from mirror.errors import SigningError
from mirror.place import Place
from mirror.signing import people, ring
from mirror.signing.candidate import Wait
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.stage import Settled
from mirror.signing.terms import Terms

_LOST: Final = "If the timer's keys are lost, 'spot-mirror keys rotate' makes new ones; holders of the root sign it."

F = TypeVar("F", bound=Callable[..., Any])


def signer_options(command: F) -> F:
    """`--as NAME`, `--keys FOLDER`, `--passphrase-file FILE`: passed on as `who`, `key_folder`, `passphrase_file`."""
    command = passphrase_option(command)
    command = click.option(
        "--keys",
        "key_folder",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="A folder with the private key of whoever signs, such as a stick, beside that of the configuration.",
    )(command)
    return click.option("--as", "who", metavar="NAME", help="Whose key signs; by default the only one here that may.")(
        command
    )


def signing(
    config_path: Path, who: str | None = None, key_folder: Path | None = None, passphrase_file: Path | None = None
) -> Signing:
    """What signing works with, by the configuration; no private key is opened yet.

    Raises:
        ConfigError: as `config.load`.
        SigningError: as `ring.read`.
    """
    loaded = config.load(config_path)
    return signing_with(loaded, _people_ring(loaded, key_folder, passphrase_file), who)


def signing_with(loaded: Config, keys: Ring, who: str | None = None) -> Signing:
    """The same, with these keys: the timer needs none of people's, and goes on where their folder is damaged."""
    return Signing(
        place=Place(loaded.data_dir, LocalBlobs(loaded.data_dir)),
        ring=keys,
        online=None if loaded.publishing.online_keys else keys,
        clock=lambda: datetime.now(UTC),
        signer=who,
        terms=_terms(loaded.lifetimes),
        high_water=Path(loaded.publishing.high_water) if loaded.publishing.high_water else None,
    )


def _people_ring(loaded: Config, key_folder: Path | None, passphrase_file: Path | None) -> Ring:
    """The keys of people: those that the mirror knows, and the private ones in `key_folder`."""
    configured = loaded.publishing.passphrase_file
    file = passphrase_file or (Path(configured) if configured else None)
    known = ring.read(Path(loaded.publishing.keys), reader(file, "Passphrase of the signing keys"))
    if key_folder is not None:
        known.join(ring.read(key_folder, reader(passphrase_file, f"Passphrase of the keys in {key_folder}")))
    return known


def online_ring(loaded: Config, passphrase_file: Path | None = None, *, new: bool = False) -> Ring:
    """The keys of snapshot and timestamp. `new`: begin with none where the folder is lost. Raises SigningError."""
    publishing = loaded.publishing
    configured = publishing.online_passphrase_file or publishing.passphrase_file
    file = passphrase_file or (Path(configured) if configured else None)
    folder = Path(publishing.online_keys or publishing.keys)
    ask = reader(file, f"Passphrase of the online keys in {folder}")
    if new:
        return ring.read_or_new(folder, ask)
    try:
        return ring.read(folder, ask)
    except SigningError as error:
        raise SigningError(error.reason, f"{error} {_LOST}") from error


def _terms(lives: Lifetimes) -> Terms:
    """The lifetimes of the configuration."""
    return Terms(
        root=timedelta(days=lives.root_days),
        targets=timedelta(days=lives.targets_days),
        products=timedelta(days=lives.products_days),
        snapshot=timedelta(days=lives.snapshot_days),
        timestamp=timedelta(days=lives.timestamp_days),
        every=timedelta(hours=lives.timestamp_every_hours),
    )


def say_settled(keys: Ring, settled: Settled, roles: Iterable[str] | None = None) -> None:
    """Tell in lines for people what became visible, and what still waits, for whom; of these `roles` or of all."""
    for what in settled.aside:
        click.echo(f"  set aside, for nobody had signed it: {printable(what)}")
    if settled.shown is not None:
        click.echo(f"  visible in version {settled.shown.version} of the catalogue")
    for line in say_waits(keys, settled.waits, roles):
        click.echo(f"  {line}")


def say_waits(keys: Ring, found: Iterable[Wait], roles: Iterable[str] | None = None) -> list[str]:
    """What waits, in sentences; `found`: all that waits, of which these `roles` are told, or all."""
    every = [*found]
    wanted = None if roles is None else set(roles)
    lines = [line for line in every if wanted is None or line.role in wanted]
    said = [
        f"{line.role} waits for {counted(line.missing, 'more signature')}, "
        f"of {people.names(keys, line.keyids)}: spot-mirror approve"
        for line in lines
        if line.missing
    ]
    ready = [line.role for line in lines if line.ready]
    held = [line.role for line in lines if not line.missing and not line.ready]
    if ready:
        said.append(f"{', '.join(ready)} signed: the timer makes it visible at its next turn")
    if held:
        rest = ", ".join(f"{line.role} ({line.missing} more)" for line in every if line.missing)
        said.append(f"{', '.join(held)} signed: not visible before the rest is signed, {rest or 'which does not wait'}")
    return said


def waits_document(keys: Ring, found: Iterable[Wait]) -> list[dict[str, Any]]:
    """What waits, for --json."""
    return [
        {
            "role": line.role,
            "missing": line.missing,
            "signed_by": sorted(keys.name(keyid) or keyid for keyid in line.signed),
            "may_sign": sorted(keys.name(keyid) or keyid for keyid in line.keyids),
        }
        for line in found
    ]
