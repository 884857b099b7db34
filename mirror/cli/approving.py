"""The commands `staged`, `approve` and `discard`: what waits for signatures, signed or forgotten."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, printable, rfc3339, utc
from mirror.cli.progress import progress_bar
from mirror.cli.signers import say_settled, say_waits, signer_options, signing, waits_document
from mirror.cli.store import json_option
from mirror.publishing import approve as approving
from mirror.publishing.approve import Proposal
from mirror.signing import bounds, people, proposal, recovery
from mirror.signing.ring import Ring
from mirror.signing.terms import Terms


@click.command(short_help="List what waits for signatures.")
@json_option
@config_option
def staged(*, as_json: bool, config_path: Path) -> None:
    """List what waits for signatures: what it changes, who has signed, and who may.

    \b
    --json: a list of role, version, until, changes (kind, what and details), missing, signed_by, may_sign
    """
    using = signing(config_path)
    found = approving.look(using)
    if as_json:
        click.echo(json_document([_document(using.ring, one) for one in found]))
    elif not found:
        click.echo("Nothing waits for signatures.")
    waits = [one.wait for one in found]
    for one in found if not as_json else ():
        show(one, using.ring, using.terms)
        for line in say_waits(using.ring, waits, {one.role}):
            click.echo(f"  {line}")
    stranded = recovery.stranded(using.place, using.high_water)
    if stranded:
        click.echo(f"spot-mirror: {bounds.refusal(stranded)}", err=True)


@click.command(short_help="Sign what waits, as the second person.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Check and show everything, and sign nothing.")
@signer_options
@json_option
@config_option
def approve(
    roles: tuple[str, ...], *, yes: bool, dry_run: bool, as_json: bool, config_path: Path, **signer: Any
) -> None:
    """Look at what waits for signatures, and sign it: all that your key may sign, or of that these ROLEs.

    ROLE is a product, or root, targets, halts, house. Each release that is new is read and hashed again first; what
    would change a published release is refused. What has enough signatures becomes visible.

    --json signs at once, without showing or asking: look before, by --dry-run or 'spot-mirror staged'.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using, asked = signing(config_path, **signer), list[str]()

    def agree(found: tuple[Proposal, ...], name: str) -> bool:
        asked.append(name)
        for one in found if not as_json else ():
            show(one, using.ring, using.terms)
        if dry_run:
            click.echo(f"{name} would sign this. Nothing was signed.", err=True)
            return False
        if yes or as_json or not sys.stdin.isatty():
            return True
        return click.confirm(f"Sign this as {name}?", err=True)

    with progress_bar() as progress:
        settled = approving.approve(using, roles or None, agree, progress)
    if settled is None:
        nothing = {"signed": [], "visible": False, "catalogue_version": None, "waits": []}
        said = "Nothing was signed." if asked else "Nothing waits for signatures."
        click.echo(json_document(nothing) if as_json else said)
        return
    if as_json:
        version = settled.shown.version if settled.shown else None
        answer = {"signed": [*settled.signed], "visible": version is not None, "catalogue_version": version}
        click.echo(json_document({**answer, "waits": waits_document(using.ring, settled.waits)}))
        return
    click.echo(f"Signed: {', '.join(settled.signed)}.")
    say_settled(using.ring, settled)


@click.command(short_help="Forget what waits for signatures.")
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that waits, also where its file is damaged.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask (only a terminal is asked).")
@config_option
def discard(roles: tuple[str, ...], *, everything: bool, yes: bool, config_path: Path) -> None:
    """Forget what waits for signatures for these ROLEs, and remove what was stored for it.

    What clients see is not touched. It revokes no signature: whoever kept a copy of what enough people had signed can
    put it back, and the timer would show it. Only a newer version of the role ends that ('spot-mirror resign --all
    ROLE', signed as usual), or other keys ('spot-mirror keys replace').

    Where the file of what waits is damaged, --all sets it aside, under another name.
    """
    if bool(roles) == everything:
        raise click.UsageError("Name the ROLEs, or say --all.")
    using = signing(config_path)
    aside = approving.set_aside(using) if everything else None
    if aside is not None:
        click.echo(f"What waits was damaged, and lies in {aside} now: whatever it was has to be staged again.")
        return
    wanted = roles or tuple(proposal.read_staged(using.place).statements)
    if not wanted:
        click.echo("Nothing waits for signatures.")
        return
    if not yes and sys.stdin.isatty() and not click.confirm(f"Forget what waits for {', '.join(wanted)}?", err=True):
        click.echo("Nothing was changed.")
        return
    gone = approving.discard(using, wanted)
    click.echo(f"Forgotten: {counted(len(gone.changes), 'change')}.")
    for what in gone.changes:
        click.echo(f"  {printable(what)}")
    if gone.signed:
        click.echo(
            "Its signatures are not revoked: a copy with enough of them can be put back. To end that, let a newer "
            f"version be signed: spot-mirror resign --all {' '.join(gone.signed)}"
        )


def show(one: Proposal, keys: Ring, usual: Terms = Terms()) -> None:  # noqa: B008  a value that nobody changes
    """Print what the next version of a role changes, with a warning if it would hold for longer than is usual."""
    signed = people.names(keys, one.wait.signed) or "nobody yet"
    click.echo(f"{one.role}, version {one.version}, until {utc(one.until)}, signed by {signed}:")
    odd = usual.oddity(one.role, one.until, datetime.now(UTC))
    if odd is not None:
        click.echo(f"  WARNING    {one.role} {odd}: do not sign it before you know why.")
    for difference in one.differences:
        click.echo(f"  {difference.kind:10} {printable(difference.what)}")
        for line in difference.details:
            click.echo(f"  {'':10} {printable(line)}")
    if not one.differences:
        click.echo("  the first: it lists nothing yet" if one.version == 1 else "  the same, signed anew")


def _document(keys: Ring, one: Proposal) -> dict[str, Any]:
    changes = [
        {"kind": difference.kind, "what": difference.what, "details": [*difference.details]}
        for difference in one.differences
    ]
    return {
        "role": one.role,
        "version": one.version,
        "until": rfc3339(one.until),
        "changes": changes,
        **waits_document(keys, [one.wait])[0],
    }


COMMANDS: tuple[click.Command, ...] = (staged, approve, discard)
