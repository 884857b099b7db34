"""spot verify, spot cache: looking after what is on this machine."""

import sys
from typing import Any

import click

from spot_client.cli.failures import DAMAGE_FOUND
from spot_client.cli.options import Command, json_option
from spot_client.cli.session import Session


@click.command(cls=Command, short_help="Hold every file to what the vendor signed.")
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@click.option("--repair", is_flag=True, help="Put right what is damaged, fetching only what is not whole here.")
@json_option
@click.pass_obj
def verify(session: Session, components: tuple[str, ...], repair: bool) -> None:
    """Hold every file of COMPONENTs, or of all that are installed, to what the vendor signed. Needs no network.

    Configuration that was changed here, and files that were added, are told and are no damage. Exits with 13 if damage
    was found and is still there.
    """
    from spot_client import shapes
    from spot_client.wording import finding

    with session.at_work(asks=repair) as opened:

        def look(component: str) -> dict[str, Any]:
            verdict = opened.spot.verify(component, repair=repair)
            session.answer(finding(verdict))
            return shapes.verdict(verdict)

        found = session.each(components or opened.installed, look)
    if any(not (one["whole"] or one["repaired"]) for one in found):
        if not repair:
            session.report.warn("Damage was found: 'spot verify --repair' puts it right.")
        sys.exit(DAMAGE_FOUND)


@click.group(short_help="Look after what is kept to spare a download.")
def cache() -> None:
    """Contents that are kept on this machine so that they are not fetched again."""


@cache.command(cls=Command)
@json_option
@click.pass_obj
def show(session: Session) -> None:
    """Show where the cache is and what it takes."""
    from spot_client import shapes
    from spot_client.fetch.cache import Cache
    from spot_client.wording import mib

    paths = session.found().paths
    usage = Cache(paths.cache).usage()
    session.answer(
        f"{paths.cache}\n"
        f"  {usage.contents} contents of files, {mib(usage.content_bytes)}\n"
        f"  {usage.blocks} blocks on their way in, {mib(usage.block_bytes)}"
    )
    session.document(shapes.usage(usage, str(paths.cache)))


@cache.command(cls=Command)
@click.option("--dry-run", is_flag=True, help="Only say what would be freed.")
@json_option
@click.pass_obj
def clear(session: Session, dry_run: bool) -> None:
    """Remove everything from the cache.

    What is installed stays, and so do the versions kept for going back; what an update or a repair then lacks is
    fetched again.
    """
    from spot_client.fetch.cache import Cache
    from spot_client.wording import mib

    store = session.found()
    kept = Cache(store.paths.cache)
    if dry_run:
        usage = kept.usage()
        freed = usage.content_bytes + usage.block_bytes
    else:
        with store.lock():
            freed = kept.clear()
    session.answer(f"{mib(freed)} {'would be' if dry_run else 'were'} freed.")
    session.document({"freed_bytes": freed, "dry_run": dry_run})


COMMANDS = (verify, cache)
