"""The command line: `python -m fuzz --help`."""

import os
import secrets
import sys
from pathlib import Path

import click

from fuzz import documents, lines, run, site, trust
from fuzz.target import Target

_FOUND = Path("fuzz/found")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seconds", type=click.FloatRange(min=0.1), default=60.0, show_default=True, help="Time for all of it.")
@click.option("--seed", type=click.IntRange(min=0), help="Make the inputs of an earlier run again.")
@click.option("--target", "wanted", multiple=True, metavar="NAME", help="Only this one; may be given several times.")
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1, show_default=True, help="At a time.")
@click.option(
    "--found",
    type=click.Path(file_okay=False, path_type=Path),
    default=_FOUND,
    show_default=True,
    help="Where findings go: FOUND/TARGET/DIGEST, and what was said in DIGEST.txt.",
)
@click.option("--list", "listing", is_flag=True, help="Name the targets and end.")
@click.option(
    "--reproduce",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read one finding again; its folder names the target.",
)
def main(
    *,
    seconds: float,
    seed: int | None,
    wanted: tuple[str, ...],
    jobs: int,
    found: Path,
    listing: bool,
    reproduce: Path | None,
) -> None:
    """Feed every parser with what a peer or a foreign file might hold.

    Exits with 0 if nothing was found, with 1 if something was, with 2 if it was called wrongly.
    """
    rooms = (documents, lines, site, trust)
    targets = {target.name: target for room in rooms for target in room.targets()}
    if listing:
        click.echo("\n".join(targets))
        return
    if reproduce is not None:
        outcome = run.reproduce(_pick(targets, [reproduce.resolve().parent.name])[0], reproduce.read_bytes(), found)
        _show(outcome)
        sys.exit(outcome.finding is not None)
    chosen = _pick(targets, wanted or list(targets))
    seed = secrets.randbelow(2**32) if seed is None else seed
    click.echo(f"{len(chosen)} parsers, {seconds:g} s in all, --seed {seed}")
    findings = 0
    for outcome in run.fuzz(chosen, seconds=seconds, seed=seed, jobs=jobs, found=found):
        _show(outcome)
        findings += outcome.finding is not None
    click.echo(f"{findings} found" if findings else "Nothing found.")
    sys.exit(findings > 0)


def _pick(targets: dict[str, Target], names: list[str] | tuple[str, ...]) -> list[Target]:
    unknown = [name for name in names if name not in targets]
    if unknown:
        raise click.UsageError(f"there is no target {unknown[0]!r}: one of {', '.join(targets)}")
    return [targets[name] for name in names]


def _show(outcome: run.Outcome) -> None:
    if outcome.finding is not None:
        click.echo(f"{outcome.target:14} FOUND: {outcome.finding.said[:200]}")
        click.echo(f"{'':14} python -m fuzz --reproduce {outcome.finding.file}")
        return
    read = outcome.told.get("read", 0)
    reasons = ", ".join(sorted(set(outcome.told) - {"read", "no"}))
    click.echo(f"{outcome.target:14} {sum(outcome.told.values()):8,} inputs, {read:7,} read   {reasons}")


if __name__ == "__main__":
    main()
