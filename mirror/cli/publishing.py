"""The commands `publish` and `resign`; `init`, `releases` and `release show` have modules of their own."""

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from mirror import catalogue, config
from mirror.blobs import LocalBlobs
from mirror.cli.init import init
from mirror.cli.options import config_option, program_config
from mirror.cli.output import json_document, rfc3339, utc
from mirror.cli.passphrase import passphrase_option, reader
from mirror.cli.progress import progress_bar, size
from mirror.cli.releases import release, releases
from mirror.cli.store import json_option
from mirror.publishing import keys
from mirror.publishing import publish as publishing
from mirror.publishing.journal import Place
from mirror.publishing.order import Means, Order, Outcome
from mirror.publishing.tree import Form, Progress
from spot_client.wire import names
from spot_client.wire.index import Severity

_REQUIREMENT = re.compile(r"([^\s<>=!~,;]+)\s*([<>=!~].*)")
_MAX_NOTES = 8192  # characters
_FORMS: Final = {
    Form.FOLDER: "folder",
    Form.ZIP: "zip file: what is in it is the release (--opaque takes the file itself)",
    Form.TAR: "tar archive: what is in it is the release (--opaque takes the file itself)",
    Form.FILE: "one file, as it is",
}


def _requirements(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = [_REQUIREMENT.fullmatch(value) for value in values]
    pairs = [(match[1], match[2]) for match in found if match]
    if len(pairs) < len(values):
        raise click.BadParameter("write PRODUCT/COMPONENT and versions, such as 'sdk/botocore>=1.40'")
    if len(dict(pairs)) < len(pairs):
        raise click.BadParameter("name each component once, with all its versions: 'sdk/botocore>=1.40,<2'")
    return dict(pairs)


def _patterns(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if Path(value).suffix == ".toml" and Path(value).is_file():
            raise click.BadParameter(
                f"{value} is a file here, not a pattern of the release: the mirror's configuration stands before the "
                "command, as in 'spot-mirror --config FILE publish'. For a pattern of that name, write '/' before it."
            )
    return values


@click.command(short_help="Publish a release.")
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
@click.option(
    "--config",
    multiple=True,
    metavar="PATTERN",
    callback=_patterns,
    help="Files that customers change, such as 'etc/*.ini': a changed one stays, the new one is laid beside it.",
)
@click.option(
    "--state",
    multiple=True,
    metavar="PATTERN",
    help="Files that the product writes, such as 'var/': neither update nor rollback touches them.",
)
@click.option("--opaque", is_flag=True, help="Publish an archive as one file, as it is.")
@click.option("--level", type=click.IntRange(1, 22), help="Level of zstd; by default that of the configuration.")
@click.option("--dry-run", is_flag=True, help="Read and check everything, and publish nothing.")
@json_option
@passphrase_option
@program_config
def publish(
    *,
    component: str,
    source: Path,
    severity: str,
    notes: str,
    notes_file: TextIO | None,
    level: int | None,
    dry_run: bool,
    as_json: bool,
    config_path: Path,
    passphrase_file: Path | None,
    **details: Any,
) -> None:
    """Publish SOURCE as VERSION of PRODUCT/COMPONENT: visible whole, or not at all.

    SOURCE is a folder, or an archive, whose content is the release (.zip, .whl, .tar, .tar.gz, .tar.bz2, .tar.xz,
    .tar.zst), or any other file, which is the release alone. A release never changes. The same content again is no
    error, and may add channels to it.

    A PATTERN is written as in a .gitignore file: '*.ini' fits that name anywhere, 'etc/*' begins at the top of the
    release, 'var/' is all below that folder, and '!PATTERN' takes back. Each has to fit a file. --config and
    --state may be given more than once. The mirror's configuration stands before: spot-mirror --config FILE publish.

    \b
    --json: component, version, platform, outcome ("published", "promoted", "already" or "dry-run"),
      read_as ("folder", "zip", "tar" or "file"), channels, files, config_files, state_files (how many),
      size, pack_length (bytes; 0 for what was not packed), catalogue_version, good_until, seconds, notes
    """
    product, name = names.split_component(component)
    words = _notes(notes, notes_file)
    order = Order(product=product, component=name, severity=Severity(severity), notes=words, **details)
    started = time.monotonic()
    with progress_bar() as progress:
        means = _means(config_path, passphrase_file, level, progress)
        outcome = publishing.publish(means, order, source, dry_run=dry_run)
    _say(outcome.notes)
    _report(order, outcome, time.monotonic() - started, _expiry(means), as_json=as_json)


@click.command(short_help="Sign the catalogue anew before it lapses.")
@json_option
@config_option
@passphrase_option
def resign(*, as_json: bool, config_path: Path, passphrase_file: Path | None) -> None:
    """Sign the catalogue's snapshot and timestamp anew, so that they do not lapse; publish does so by itself.

    The timestamp lapses after 3 days, the snapshot after 7: run this every day.

    \b
    --json: catalogue_version, good_until, notes
    """
    means = _means(config_path, passphrase_file, None, lambda _what, _done, _total: None)
    version, notes = publishing.resign(means)
    expires = _expiry(means)
    _say(notes)
    if as_json:
        click.echo(json_document({"catalogue_version": version, "good_until": rfc3339(expires), "notes": notes}))
        return
    click.echo(f"The catalogue is signed anew: version {version}.")
    click.echo(_good_until(expires))


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


def _report(order: Order, outcome: Outcome, seconds: float, expires: datetime, *, as_json: bool) -> None:
    if as_json:
        click.echo(json_document(_document(order, outcome, seconds, expires)))
        return
    click.echo(f"{order.name}: {outcome.state.value}.")
    click.echo(f"  read as   {_FORMS[outcome.form]}")
    packed = f", pack {size(outcome.stored)}" if outcome.stored else ""
    click.echo(f"  content   {_count(outcome.files)}, {size(outcome.size)}{packed}, {seconds:.1f} s")
    if outcome.config or outcome.state_files:
        click.echo(f"  kinds     config: {_count(outcome.config)}, state: {_count(outcome.state_files)}")
    click.echo(f"  channels  {', '.join(outcome.channels)}")
    click.echo(f"  catalogue version {outcome.version}")
    click.echo(f"  {_good_until(expires)}")


def _document(order: Order, outcome: Outcome, seconds: float, expires: datetime) -> dict[str, Any]:
    return {
        "component": f"{order.product}/{order.component}",
        "version": order.version,
        "platform": order.platform,
        "outcome": outcome.state.name.lower().replace("_", "-"),
        "read_as": outcome.form.name.lower(),
        "channels": [*outcome.channels],
        "files": outcome.files,
        "config_files": outcome.config,
        "state_files": outcome.state_files,
        "size": outcome.size,
        "pack_length": outcome.stored,
        "catalogue_version": outcome.version,
        "good_until": rfc3339(expires),
        "seconds": round(seconds, 1),
        "notes": [*outcome.notes],
    }


def _count(files: int) -> str:
    return f"{files} file{'' if files == 1 else 's'}"


def _expiry(means: Means) -> datetime:
    return catalogue.read_chain(means.place.catalogue).timestamp.expires


def _good_until(expires: datetime) -> str:
    return f"catalogue good until {utc(expires)} (timestamp), then: spot-mirror resign"


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)


COMMANDS: tuple[click.Command, ...] = (init, publish, releases, release, resign)
