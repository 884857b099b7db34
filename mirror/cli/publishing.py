"""The commands `init`, `publish`, `releases` and `resign`."""

import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from mirror import catalogue, config
from mirror.blobs import Blobs, LocalBlobs
from mirror.cli.init import init
from mirror.cli.options import config_option
from mirror.cli.output import table, utc
from mirror.cli.passphrase import passphrase_option, reader
from mirror.cli.progress import progress_bar, size
from mirror.errors import BlobFault
from mirror.publishing import keys
from mirror.publishing import publish as publishing
from mirror.publishing.journal import Place
from mirror.publishing.order import Means, Order, Outcome
from mirror.publishing.pack import Progress
from spot_client.wire import names
from spot_client.wire.index import Index, Release, Severity

_REQUIREMENT = re.compile(r"([^\s<>=!~,;]+)\s*([<>=!~].*)")
_MAX_NOTES = 8192  # characters


def _requirements(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = [_REQUIREMENT.fullmatch(value) for value in values]
    pairs = [(match[1], match[2]) for match in found if match]
    if len(pairs) < len(values):
        raise click.BadParameter("write PRODUCT/COMPONENT and versions, such as 'sdk/botocore>=1.40'")
    if len(dict(pairs)) < len(pairs):
        raise click.BadParameter("name each component once, with all its versions: 'sdk/botocore>=1.40,<2'")
    return dict(pairs)


@click.command()
@click.argument("component", metavar="PRODUCT/COMPONENT")
@click.argument("version")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--platform", default="any", show_default=True, help="any, or SYSTEM-ARCHITECTURE as in linux-x86_64.")
@click.option(
    "--channel",
    "channels",
    multiple=True,
    default=("stable",),
    show_default=True,
    help="Where to offer it; may be given more than once.",
)
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.FEATURE.value,
    show_default=True,
    help="Why the release was made.",
)
@click.option("--restart", is_flag=True, help="The product must be started anew after the update.")
@click.option("--notes", default="", help="Release notes, 8192 characters at most.")
@click.option("--notes-file", type=click.File(encoding="utf-8"), help="Read the release notes from FILE (- for stdin).")
@click.option(
    "--requires",
    multiple=True,
    callback=_requirements,
    metavar="PRODUCT/COMPONENT VERSIONS",
    help="What must be installed beside it, such as 'sdk/botocore>=1.40'; may be given more than once.",
)
@click.option("--level", type=click.IntRange(1, 22), help="Level of zstd; by default that of the configuration.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and publish nothing.")
@config_option
@passphrase_option
def publish(
    *,
    component: str,
    version: str,
    source: Path,
    platform: str,
    channels: tuple[str, ...],
    severity: str,
    restart: bool,
    notes: str,
    notes_file: TextIO | None,
    requires: dict[str, str],
    level: int | None,
    dry_run: bool,
    config_path: Path,
    passphrase_file: Path | None,
) -> None:
    """Publish SOURCE (a folder, a .zip or a .whl) as VERSION of PRODUCT/COMPONENT: visible whole, or not at all.

    A release never changes. The same content again is no error, and may add channels to it.
    """

    product, name = names.split_component(component)
    order = Order(
        product=product,
        component=name,
        version=version,
        platform=platform,
        channels=channels,
        severity=Severity(severity),
        restart=restart,
        notes=_notes(notes, notes_file),
        requires=requires,
    )
    started = time.monotonic()
    with progress_bar() as progress:
        means = _means(config_path, passphrase_file, level, progress)
        outcome = publishing.publish(means, order, source, dry_run=dry_run)
    _report(order, outcome, time.monotonic() - started)
    click.echo(f"  {_good_until(means)}")


@click.command()
@click.argument("what", metavar="[PRODUCT[/COMPONENT]]", default="")
@config_option
def releases(what: str, config_path: Path) -> None:
    """List what was published: all of it, or of one product or component."""
    loaded = config.load(config_path)
    wanted = _wanted(what)
    known = catalogue.load(loaded.data_dir / "catalogue")
    blobs = LocalBlobs(loaded.data_dir)
    rows = [
        row
        for key, offered in sorted(known.indexes.items())
        if key[: len(wanted)] == wanted
        for row in _rows(offered, blobs)
    ]
    if not rows:
        click.echo(f"Nothing is published{f' of {what}' if what else ''} yet. Next: spot-mirror publish --help")
        return
    click.echo(table(_HEAD, rows))


@click.command()
@config_option
@passphrase_option
def resign(config_path: Path, passphrase_file: Path | None) -> None:
    """Sign the catalogue's snapshot and timestamp anew, so that they do not lapse; publish does so by itself.

    The timestamp lapses after 3 days, the snapshot after 7: run this every day.
    """

    means = _means(config_path, passphrase_file, None, lambda _what, _done, _total: None)
    version, notes = publishing.resign(means)
    _say(notes)
    click.echo(f"The catalogue is signed anew: version {version}.")
    click.echo(_good_until(means))


_HEAD = ("COMPONENT", "VERSION", "PLATFORM", "CHANNELS", "PUBLISHED", "SEVERITY", "MANIFEST", "PACK", "STATE")


def _rows(offered: Index, blobs: Blobs) -> Iterator[tuple[str, ...]]:
    name = f"{offered.product}/{offered.component}"
    for line in offered.releases:
        pack, state = _stored(offered, line, blobs)
        sizes = (size(line.manifest.length), pack)
        channels, when = ",".join(line.channels), _moment(line.published)
        yield (name, line.version, line.platform, channels, when, line.severity.value, *sizes, state)
    for gone in offered.tombstones:
        yield (name, gone.version, gone.platform, "", "", "", "", "", f"withdrawn {_moment(gone.withdrawn)}")


def _stored(offered: Index, line: Release, blobs: Blobs) -> tuple[str, str]:
    key = f"releases/{offered.product}/{offered.component}/{line.version}/{line.platform}"
    try:
        whole = blobs.length(f"{key}/manifest") == line.manifest.length
        return size(blobs.length(f"{key}/pack")), "on offer" if whole else "damaged"
    except BlobFault:
        return "", "missing"


def _wanted(what: str) -> tuple[str, ...]:
    if "/" in what:
        return names.split_component(what)
    return (names.check_product(what),) if what else ()


def _notes(notes: str, file: TextIO | None) -> str:
    if file is None:
        return notes
    if notes:
        raise click.UsageError("Give the release notes once: by --notes or by --notes-file.")
    try:
        return file.read(_MAX_NOTES + 1).strip()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} is not text in UTF-8.") from error


def _means(config_path: Path, passphrase_file: Path | None, level: int | None, progress: Progress) -> Means:

    loaded = config.load(config_path)
    configured = loaded.publishing.passphrase_file
    file = passphrase_file or (Path(configured) if configured else None)
    return Means(
        place=Place(loaded.data_dir, LocalBlobs(loaded.data_dir)),
        ring=keys.read(Path(loaded.publishing.keys), reader(file, "Passphrase of the signing keys")),
        clock=lambda: datetime.now(UTC),
        level=level or loaded.publishing.level,
        workers=os.cpu_count() or 1,
        progress=progress,
    )


def _report(order: Order, outcome: Outcome, seconds: float) -> None:
    _say(outcome.notes)
    click.echo(f"{order.name}: {outcome.state.value}.")
    sizes = f"{outcome.files} file{'' if outcome.files == 1 else 's'}, {size(outcome.size)}"
    packed = f", pack {size(outcome.stored)}" if outcome.stored else ""
    click.echo(f"  content   {sizes}{packed}, {seconds:.1f} s")
    click.echo(f"  channels  {', '.join(outcome.channels)}")
    click.echo(f"  catalogue version {outcome.version}")


def _good_until(means: Means) -> str:
    expires = catalogue.read_chain(means.place.catalogue).timestamp.expires
    return f"catalogue good until {utc(expires)} (timestamp), then: spot-mirror resign"


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)


def _moment(text: str) -> str:
    return text.replace("T", " ")


COMMANDS: tuple[click.Command, ...] = (init, publish, releases, resign)
