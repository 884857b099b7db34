"""`spot-mirror check`: the mirror on this host, looked over."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import msgspec

from ca import files
from ca.finding import SEVERITIES, Finding, worst
from mirror.cli.options import config_option
from mirror.cli.output import json_document
from mirror.cli.progress import progress_bar
from mirror.cli.store import json_option

if TYPE_CHECKING:
    from mirror.checking.noted import Noted

FOUND_SOMETHING: Final = 9


@click.command(short_help="Look the mirror over.")
@click.option("--deep", is_flag=True, help="Also compute the digests of all releases, and walk through the records.")
@click.option("--quiet", is_flag=True, help="Print warnings and problems only; nothing, if there are none.")
@click.option(
    "--metrics",
    "metrics_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.prom",
    help="Also write, for Prometheus, when everything lapses and what was found.",
)
@json_option
@config_option
def check(config_path: Path, *, deep: bool, quiet: bool, metrics_file: Path | None, as_json: bool) -> None:
    """Look the mirror over: configuration, certificates, what lapses when, file modes, room, records, releases.

    Changes nothing, opens no signing key, and may run while the mirror serves. A warning comes when about a third of a
    lifetime is left. Exits with 9 if there is any warning or problem, so that cron can tell somebody: spot-mirror check
    --quiet says nothing while all is well.

    --metrics replaces FILE.prom as a whole, readable for all: put it where the textfile collector of Prometheus' node
    exporter reads.

    \b
    --json prints:
      worst      ok, advice, warning or problem
      findings   a list of: severity, code (good, bad-mode, expired,
                 expires-soon, …), what, next
    """
    from mirror.checking.look import look
    from mirror.checking.noted import Noted

    noted, now = Noted(), datetime.now(UTC)
    with _progress(shown=deep and not quiet) as progress:
        found = list(look(config_path, now, noted, deep=deep, progress=progress))
    told = [finding for finding in found if finding.matters or not quiet]
    if as_json:
        findings = [msgspec.structs.asdict(finding) for finding in told]
        click.echo(json_document({"worst": worst(found), "findings": findings}))
    elif told:
        click.echo("\n".join(finding.text for finding in told))
    if metrics_file is not None:
        _write_metrics(metrics_file, found, noted, now)
    if any(finding.matters for finding in found):
        raise click.exceptions.Exit(FOUND_SOMETHING)


def _write_metrics(path: Path, found: list[Finding], noted: "Noted", now: datetime) -> None:
    from mirror import metrics

    counts = Counter(one.severity for one in found)
    told = metrics.of_check({name: counts[name] for name in SEVERITIES}, now)
    scrubs = (metrics.of_scrub(one.ended, one.findings) for one in noted.scrubs)
    licences = (
        metrics.of_licences(
            {"in-force": one.in_force, "ending": one.ending, "coming": one.coming, "over": one.over}, one.next_end
        )
        for one in noted.licences
    )
    lapses = metrics.of_lapses(noted.lapses)
    files.replace(path, metrics.exposition([*lapses, *told, *chain(*scrubs, *licences)]))


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    if shown:
        with progress_bar() as show:
            yield show
    else:
        yield lambda _what, _done, _total: None


COMMANDS: tuple[click.Command, ...] = (check,)
