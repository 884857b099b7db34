"""The commands `backup` and `restore`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mirror import backup as backups
from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, printable
from mirror.cli.progress import progress_bar, size
from mirror.cli.signers import say_settled, signing, waits_document
from mirror.cli.store import json_option
from mirror.config import Config
from mirror.errors import SigningError
from mirror.publishing import restage
from mirror.signing import marks, proposal, recovery
from mirror.signing.marks import HighWater
from mirror.signing.means import Signing
from mirror.signing.recovery import Recovered
from mirror.signing.ring import Ring

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(short_help="Back the mirror up while it runs.")
@click.argument("folder", type=_FOLDER)
@click.option("--verify", is_flag=True, help="Hash also what was copied before, and copy anew what was damaged since.")
@json_option
@config_option
def backup(*, folder: Path, verify: bool, as_json: bool, config_path: Path) -> None:
    """Bring the backup in FOLDER, on another disk, up to date: catalogue, what waits, records, releases, mirror.toml.

    The mirror may go on meanwhile. Releases never change, so only new ones are copied, and held to what was signed for
    them. Private keys are not in it.

    \b
    --json: folder, catalogue_version, releases (how many), size (bytes of their files)
    """
    using = signing(config_path)
    with progress_bar() as progress:
        made = backups.backup(using.place, config_path, folder, datetime.now(UTC), progress, verify=verify)
    count, length = len(made.blobs) // 2, sum(one.length for one in made.blobs.values())
    if as_json:
        answer = {"folder": str(folder), "catalogue_version": made.version, "releases": count, "size": length}
        click.echo(json_document(answer))
        return
    click.echo(f"{folder}: catalogue version {made.version}, {counted(count, 'release')}, {size(length)}, records.")


@click.command(short_help="Lay a backup out as a new data folder.")
@click.argument("folder", type=_FOLDER, required=False)
@click.option("--above", is_flag=True, help="Lay nothing out: stage anew what is behind the mark in the data folder.")
@click.option(
    "--high-water",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="How far the catalogue had gone; by default the file of the configuration.",
)
@click.option("--without-high-water", is_flag=True, help="There is none any more: clients may have to wait.")
@json_option
@config_option
def restore(
    *,
    folder: Path | None,
    above: bool,
    high_water: Path | None,
    without_high_water: bool,
    as_json: bool,
    config_path: Path,
) -> None:
    """Lay out the backup in FOLDER as the data folder of the configuration, which must not exist.

    Clients refuse a catalogue that is older than what they saw. So with a high-water mark, everything that had moved on
    since the backup is staged to be signed above it, and nothing becomes visible before people signed that ('approve').
    Withdrawals, halts, keys and official mirrors are the newest. Releases that were published since the backup are not
    on offer any more: they are listed, publish them again.

    Where the data folder came back in another way, by a snapshot of the machine or a copy of its files, or where what
    was staged is gone, --above does the same with the folder that is there. What waits in it is forgotten.

    Without the mark nothing is held back: clients that saw a newer catalogue refuse this one until it is newer, and
    keys that were replaced since count again. So it ends where the mark is missing, unless --without-high-water is
    said.

    \b
    --json: catalogue_version, above (whether a high-water mark was used), lost (releases), forgotten (changes that
      waited), visible, waits (a list of role, missing, signed_by, may_sign)
    """
    if above == (folder is not None):
        raise click.UsageError("Name the FOLDER of a backup, or say --above.")
    if without_high_water and (above or high_water is not None):
        raise click.UsageError("--without-high-water goes with a FOLDER, and with no mark.")
    loaded = config.load(config_path)
    mark = None if without_high_water else _mark(loaded, high_water)
    found: Recovered | None
    if folder is None:
        version, said, found = _above(signing(config_path), mark)
    else:
        with progress_bar() as progress:
            made = backups.restore(folder, loaded.data_dir, progress)
        version, said = made.version, f"restored as of {made.made}"
        found = recovery.above(signing(config_path), mark) if mark is not None else None
    names = signing(config_path).ring
    if as_json:
        click.echo(json_document(_document(names, version, found)))
        return
    click.echo(f"{loaded.data_dir}: {said}, catalogue version {version}.")
    _say(names, found)


def _mark(loaded: Config, named: Path | None) -> HighWater | None:
    """The mark that was named, or that of the configuration; None if that names none."""
    configured = loaded.publishing.high_water
    path = named or (Path(configured) if configured else None)
    found = marks.read(path) if path else None
    if path is not None and found is None:
        hint = "Mount its disk, or name the file by --high-water; --without-high-water goes on without one."
        raise SigningError("bad-mark", f"There is no high-water mark {path}. {hint}")
    return found


def _above(using: Signing, mark: HighWater | None) -> tuple[int, str, Recovered]:
    if mark is None:
        raise SigningError("bad-mark", "There is no high-water mark to be above: name its file by --high-water.")
    found = restage.restage(using, mark)
    known = proposal.chain(using.place)
    return known.timestamp.version if known else 0, "staged above the high-water mark", found


def _document(names: Ring, version: int, found: Recovered | None) -> dict[str, Any]:
    lost, forgotten = ([*found.lost], [*found.forgotten]) if found else ([], [])
    return {
        "catalogue_version": version,
        "above": found is not None,
        "lost": lost,
        "forgotten": forgotten,
        "visible": bool(found and found.settled.shown),
        "waits": waits_document(names, found.settled.waits) if found else [],
    }


def _say(names: Ring, found: Recovered | None) -> None:
    if found is None:
        click.echo("  without a high-water mark: clients that saw a newer catalogue refuse this one until it is newer")
        return
    for release in found.lost:
        click.echo(f"  lost: {printable(release)}: publish the same bytes again, or a new version")
    for change in found.forgotten:
        click.echo(f"  forgotten: {printable(change)}")
    say_settled(names, found.settled)


COMMANDS: tuple[click.Command, ...] = (backup, restore)
