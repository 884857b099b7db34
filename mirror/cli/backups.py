"""The commands `backup` and `restore`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mirror import backup as backups
from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document
from mirror.cli.progress import progress_bar, size
from mirror.cli.signers import say_settled, signer_options, signing
from mirror.cli.store import json_option
from mirror.signing import marks, recovery

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(short_help="Back the mirror up while it runs.")
@click.argument("folder", type=_FOLDER)
@json_option
@config_option
def backup(*, folder: Path, as_json: bool, config_path: Path) -> None:
    """Bring the backup in FOLDER, on another disk, up to date: catalogue, what waits, records, releases, mirror.toml.

    The mirror may go on meanwhile. Releases never change, so only new ones are copied. Private keys are not in it.

    \b
    --json: folder, catalogue_version, releases (how many), size (bytes of their files)
    """
    using = signing(config_path)
    with progress_bar() as progress:
        made = backups.backup(using.place, config_path, folder, datetime.now(UTC), progress)
    count, length = len(made.blobs) // 2, sum(made.blobs.values())
    if as_json:
        answer = {"folder": str(folder), "catalogue_version": made.version, "releases": count, "size": length}
        click.echo(json_document(answer))
        return
    click.echo(f"{folder}: catalogue version {made.version}, {counted(count, 'release')}, {size(length)}, records.")


@click.command(short_help="Lay a backup out as a new data folder.")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--high-water",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="How far the catalogue had gone; by default the file of the configuration.",
)
@signer_options
@json_option
@config_option
def restore(*, folder: Path, high_water: Path | None, as_json: bool, config_path: Path, **signer: Any) -> None:
    """Lay out the backup in FOLDER as the data folder of the configuration, which must not exist.

    Clients refuse a catalogue that is older than what they saw. So with a high-water mark, everything that had moved on
    since the backup is staged to be signed above it, and nothing becomes visible before that is signed. Releases that
    were published since are not on offer any more: publish them again.

    \b
    --json: catalogue_version, above (whether a high-water mark was used), signed (roles), visible
    """
    loaded = config.load(config_path)
    configured = loaded.publishing.high_water
    path = high_water or (Path(configured) if configured else None)
    mark = marks.read(path) if path else None
    with progress_bar() as progress:
        made = backups.restore(folder, loaded.data_dir, progress)
    using = signing(config_path, **signer)
    settled = recovery.above(using, mark) if mark is not None else None
    if as_json:
        answer = {"catalogue_version": made.version, "above": mark is not None}
        signed = [*settled.signed] if settled else []
        click.echo(json_document({**answer, "signed": signed, "visible": bool(settled and settled.shown)}))
        return
    click.echo(f"{loaded.data_dir}: restored as of {made.made}, catalogue version {made.version}.")
    if settled is None:
        click.echo("  without a high-water mark: clients that saw a newer catalogue refuse this one until it is newer")
        return
    say_settled(using.ring, settled)


COMMANDS: tuple[click.Command, ...] = (backup, restore)
