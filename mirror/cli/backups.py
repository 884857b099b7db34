"""The commands `backup` and `restore`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mirror import backup as backups
from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, printable
from mirror.cli.progress import progress_bar, size
from mirror.cli.signers import say_settled, signing, waits_document
from mirror.cli.store import json_option
from mirror.signing import marks, recovery

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
@click.argument("folder", type=_FOLDER)
@click.option(
    "--high-water",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="How far the catalogue had gone; by default the file of the configuration.",
)
@json_option
@config_option
def restore(*, folder: Path, high_water: Path | None, as_json: bool, config_path: Path) -> None:
    """Lay out the backup in FOLDER as the data folder of the configuration, which must not exist.

    Clients refuse a catalogue that is older than what they saw. So with a high-water mark, everything that had moved on
    since the backup is staged to be signed above it, and nothing becomes visible before people signed that ('approve').
    Withdrawals, halts, keys and official mirrors are the newest. Releases that were published since the backup are not
    on offer any more: they are listed, publish them again.

    \b
    --json: catalogue_version, above (whether a high-water mark was used), lost (releases), visible,
      waits (a list of role, missing, signed_by, may_sign)
    """
    loaded = config.load(config_path)
    configured = loaded.publishing.high_water
    path = high_water or (Path(configured) if configured else None)
    mark = marks.read(path) if path else None
    with progress_bar() as progress:
        made = backups.restore(folder, loaded.data_dir, progress)
    using = signing(config_path)
    found = recovery.above(using, mark) if mark is not None else None
    if as_json:
        answer = {"catalogue_version": made.version, "above": found is not None, "lost": [*found.lost] if found else []}
        waits = waits_document(using.ring, found.settled.waits) if found else []
        visible = bool(found and found.settled.shown)
        click.echo(json_document({**answer, "visible": visible, "waits": waits}))
        return
    click.echo(f"{loaded.data_dir}: restored as of {made.made}, catalogue version {made.version}.")
    if found is None:
        click.echo("  without a high-water mark: clients that saw a newer catalogue refuse this one until it is newer")
        return
    for release in found.lost:
        click.echo(f"  lost: {printable(release)}: publish the same bytes again, or a new version")
    say_settled(using.ring, found.settled)


COMMANDS: tuple[click.Command, ...] = (backup, restore)
