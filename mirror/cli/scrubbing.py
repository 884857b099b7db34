"""`spot-mirror scrub`: all that is on offer, read from the disk."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from ca.finding import Finding, good, worst
from mirror import config
from mirror.blobs import LocalBlobs
from mirror.cli.checking import FOUND_SOMETHING
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document
from mirror.cli.progress import progress_bar, size
from mirror.cli.store import json_option

_MIB: Final = 2**20
_LAST: Final = 19


@click.command(short_help="Read all that is on offer, and hold it to what was signed.")
@click.option(
    "--rate",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    metavar="MIB",
    help="MiB a second to read at most, so that those who are served do not wait for the disk.",
)
@json_option
@config_option
def scrub(config_path: Path, *, rate: int, as_json: bool) -> None:
    """Read all that the catalogue offers, and hold it to what was signed: a disk forgets in silence.

    Every target of the catalogue, every manifest and every block of every pack is read. May run while the mirror
    serves and while something is published, and yields to both. Exits with 9 if anything is damaged or missing, and
    names it. What it came to stands in scrub.json in the data folder: 'check' warns when that is older than 30 days.

    \b
    --json prints:
      worst      ok or problem
      findings   a list of: severity, code, what, next
      releases, targets   how many were read; size, of the releases, in bytes
      ended      when
    """
    from mirror.checking.scrub import FILE_NAME, Paced, write
    from mirror.checking.scrub import scrub as run

    data = config.load(config_path).data_dir
    os.setpriority(os.PRIO_PROCESS, 0, _LAST)  # also the last at the disk, under a scheduler that knows of turns
    with progress_bar() as progress:
        done, found = run(data / "catalogue", Paced(LocalBlobs(data), rate * _MIB), lambda: datetime.now(UTC), progress)
    write(data / FILE_NAME, done)
    read = f"{counted(done.releases, 'release')} and {counted(done.targets, 'target')} of the catalogue"
    told = found or [good(f"{read} were read, {size(done.size)}: all is what was signed.")]
    if as_json:
        click.echo(json_document(_document(told, msgspec.structs.asdict(done))))
    else:
        click.echo("\n".join(finding.text for finding in told))
    if found:
        raise click.exceptions.Exit(FOUND_SOMETHING)


def _document(told: list[Finding], done: dict[str, object]) -> dict[str, object]:
    findings = [msgspec.structs.asdict(finding) for finding in told]
    numbers = {name: done[name] for name in ("releases", "targets", "size", "ended")}
    return {"worst": worst(told), "findings": findings, **numbers}


COMMANDS: tuple[click.Command, ...] = (scrub,)
