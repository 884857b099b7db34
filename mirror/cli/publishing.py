"""The commands `publish` and `resign`; `init`, `releases` and `release show` have modules of their own."""

import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TextIO

import click

from mirror import catalogue, config
from mirror.cli.init import init
from mirror.cli.options import config_option, program_config
from mirror.cli.output import json_document, rfc3339, utc
from mirror.cli.progress import progress_bar, size
from mirror.cli.releases import release, releases
from mirror.cli.signers import online_ring, say_settled, say_waits, signer_options, signing, waits_document
from mirror.cli.store import json_option
from mirror.errors import SigningError
from mirror.publishing import publish as publishing
from mirror.publishing.order import Means, Order, Outcome
from mirror.publishing.tree import Form, Progress
from mirror.signing import holders, timer
from mirror.signing.means import Signing
from mirror.signing.stage import Settled
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
@signer_options
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
    who: str | None,
    key_folder: Path | None,
    passphrase_file: Path | None,
    **details: Any,
) -> None:
    """Publish SOURCE as VERSION of PRODUCT/COMPONENT: visible whole, or not at all.

    It is signed with your key, and visible once enough others have approved it ('spot-mirror approve').

    SOURCE is a folder, or an archive, whose content is the release (.zip, .whl, .tar, .tar.gz, .tar.bz2, .tar.xz,
    .tar.zst), or any other file, which is the release alone. A release never changes. The same content again is no
    error, and may add channels to it.

    A PATTERN is written as in a .gitignore file: '*.ini' fits that name anywhere, 'etc/*' begins at the top of the
    release, 'var/' is all below that folder, and '!PATTERN' takes back. Each has to fit a file. --config and
    --state may be given more than once. The mirror's configuration stands before: spot-mirror --config FILE publish.

    \b
    --json: component, version, platform, outcome ("published", "staged", "promoted", "already" or "dry-run"),
      read_as ("folder", "zip", "tar" or "file"), channels, files, config_files, state_files (how many),
      size, pack_length (bytes; 0 for what was not packed), manifest (its digest, by which those who sign know the
      release; null if none was made), catalogue_version, good_until, seconds, notes,
      waits (a list of role, missing, signed_by, may_sign)
    """
    product, name = names.split_component(component)
    words = _notes(notes, notes_file)
    order = Order(product=product, component=name, severity=Severity(severity), notes=words, **details)
    started = time.monotonic()
    with progress_bar() as progress:
        signer = {"who": who, "key_folder": key_folder, "passphrase_file": passphrase_file}
        means = _means(config_path, level, progress, **signer)
        outcome = publishing.publish(means, order, source, dry_run=dry_run)
    _say(outcome.notes)
    _report(means, order, outcome, time.monotonic() - started, as_json=as_json)


@click.command(short_help="Sign the catalogue anew before it lapses.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Also what people sign: all that is due, or these ROLEs.")
@signer_options
@json_option
@config_option
def resign(roles: tuple[str, ...], *, everything: bool, as_json: bool, config_path: Path, **signer: Any) -> None:
    """Sign the catalogue's snapshot and timestamp anew, as catalogue-timer does every six hours.

    With --all, collect in one session what people sign: each statement that has a third of its time left, or the
    ROLEs that are named. The others sign it with 'spot-mirror approve'.

    \b
    --json: catalogue_version, good_until, signed (roles), waits (a list of role, missing, signed_by, may_sign)
    """
    if roles and not everything:
        raise click.UsageError("People sign for ROLEs: add --all.")
    using = signing(config_path, **signer)
    settled = holders.renew(using, roles or None) if everything else None
    if settled is None or (using.online is not None and settled.shown is None):
        online = using.online or online_ring(config.load(config_path), signer["passphrase_file"])
        if timer.turn(using, online, force=True) is None:
            raise SigningError("behind", "What was restored waits for signatures: 'spot-mirror staged' says whose.")
    version, expires = _now_on(using)
    if as_json:
        waiting = waits_document(using.ring, settled.waits) if settled else []
        signed = [*settled.signed] if settled else ["snapshot", "timestamp"]
        answer = {"catalogue_version": version, "good_until": rfc3339(expires), "signed": signed, "waits": waiting}
        click.echo(json_document(answer))
        return
    if settled is None:
        click.echo(f"The catalogue is signed anew: version {version}.")
    else:
        click.echo(_signed(settled))
        say_settled(using.ring, settled)
    click.echo(_good_until(expires))


def _signed(settled: Settled) -> str:
    if settled.signed:
        return f"Signed: {', '.join(settled.signed)}."
    return "Nobody whose key is here signed. What waits:" if settled.waits else "Nothing is due."


def _notes(notes: str, file: TextIO | None) -> str:
    if file is None:
        return notes
    if notes:
        raise click.UsageError("Give the release notes once: by --notes or by --notes-file.")
    try:
        return file.read(_MAX_NOTES + 1).strip()
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{file.name} is not text in UTF-8.") from error


def _means(config_path: Path, level: int | None, progress: Progress, **signer: Any) -> Means:
    return Means(
        signing=signing(config_path, **signer),
        level=level or config.load(config_path).publishing.level,
        workers=os.cpu_count() or 1,
        progress=progress,
    )


def _report(means: Means, order: Order, outcome: Outcome, seconds: float, *, as_json: bool) -> None:
    _, expires = _now_on(means.signing)
    if as_json:
        waiting = waits_document(means.signing.ring, outcome.waits)
        click.echo(json_document({**_document(order, outcome, seconds, expires), "waits": waiting}))
        return
    click.echo(f"{order.name}: {outcome.state.value}.")
    click.echo(f"  read as   {_FORMS[outcome.form]}")
    packed = f", pack {size(outcome.stored)}" if outcome.stored else ""
    click.echo(f"  content   {_count(outcome.files)}, {size(outcome.size)}{packed}, {seconds:.1f} s")
    if outcome.config or outcome.state_files:
        click.echo(f"  kinds     config: {_count(outcome.config)}, state: {_count(outcome.state_files)}")
    if outcome.head:
        click.echo(f"  manifest  {outcome.head}")
    click.echo(f"  channels  {', '.join(outcome.channels)}")
    click.echo(f"  catalogue version {outcome.version}")
    for line in say_waits(means.signing.ring, outcome.waits, {order.product, "targets"}):
        click.echo(f"  {line}")
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
        "manifest": outcome.head or None,
        "catalogue_version": outcome.version,
        "good_until": rfc3339(expires),
        "seconds": round(seconds, 1),
        "notes": [*outcome.notes],
    }


def _count(files: int) -> str:
    return f"{files} file{'' if files == 1 else 's'}"


def _now_on(using: Signing) -> tuple[int, datetime]:
    """The catalogue's version, and when its timestamp lapses."""
    timestamp = catalogue.read_chain(using.place.catalogue).timestamp
    return timestamp.version, timestamp.expires


def _good_until(expires: datetime) -> str:
    return f"catalogue good until {utc(expires)} (timestamp), signed anew by spot-mirror catalogue-timer, or resign"


def _say(notes: tuple[str, ...]) -> None:
    for note in notes:
        click.echo(f"Note: {note}", err=True)


COMMANDS: tuple[click.Command, ...] = (init, publish, releases, release, resign)
