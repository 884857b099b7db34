"""spot enrol, spot thin-snapshot: who this installation is, and what it says of itself."""

import secrets
import sys
from pathlib import Path

import click

from spot_client.cli.options import Command
from spot_client.cli.session import Session


@click.command(cls=Command, short_help="Give this installation its identity.")
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--force", is_flag=True, help="Even if it is older than the credentials here, or they are this installation's own."
)
@click.option("--bundle-mirrors", is_flag=True, help="Ask its mirrors, in place of those that the catalogue named.")
@click.option("--new-root", is_flag=True, help="Believe its root of trust, and forget what the old one led to.")
@click.option(
    "--wait", type=click.IntRange(1, 1440), metavar="MINUTES", help="Wait until the vendor has signed; or for so long."
)
@click.pass_obj
def enrol(
    session: Session, bundle: Path, *, force: bool, bundle_mirrors: bool, new_root: bool, wait: int | None
) -> None:
    """Give this installation its identity, from the vendor's BUNDLE.

    Asks the mirror for an installation id, and for a certificate of this installation's own: each run looks whether the
    vendor has signed it. With --wait, this one looks until it has, and ends with 14 if it has not in time. Safe to
    repeat; a newer bundle of the same customer replaces the credentials, but not a certificate of this installation's
    own that still holds, and changes nothing else. The mirrors that the signed catalogue named stay, too:
    --bundle-mirrors is for the day when none of them can be reached any more, and holds until your vendor signs another
    list.

    A bundle whose root of trust does not follow from the one here is refused. --new-root is for the day when your
    vendor tells you that the old one was stolen: SPOT then forgets what came of it, and nothing that is installed.
    """
    from spot_client import enrol as enrolment
    from spot_client import mirrors
    from spot_client.cli import renewal
    from spot_client.compose import open_renewer, open_transport
    from spot_client.state import Store
    from spot_client.wire.installation import short_form

    paths, settings = session.open()
    contents = enrolment.read_bundle(bundle)
    store = Store(paths)
    with store.lock():
        identity = enrolment.enrol(
            store,
            contents,
            request=secrets.token_hex(16),
            force=force,
            bundle_mirrors=bundle_mirrors,
            new_root=new_root,
            warn=session.report.warn,
            connect=lambda identity: open_transport(paths, settings, identity),
        )
        outcome = open_renewer(paths, settings, session.now).run()
    session.report.say(f"Enrolled for {identity.customer} ({identity.realm}) in {paths.root}.")
    if mirrors.source(store) is mirrors.Source.CATALOGUE:
        session.report.say("The mirrors stay those of the signed catalogue: 'spot status' names them.")
    session.report.say(f"Installation {short_form(identity.installation)} — tell this to support when they ask.")
    if wait is not None:
        look = open_renewer(paths, settings, session.now).run
        outcome = renewal.wait_for(session, store, outcome, look, wait)
    renewal.tell_enrolled(session, outcome)


@click.command("thin-snapshot", cls=Command, short_help="Tell the mirror which versions are here.")
@click.option("--show", is_flag=True, help="Print exactly what would be sent, and send nothing.")
@click.pass_obj
def thin_snapshot(session: Session, show: bool) -> None:
    """Send the thin snapshot: the versions this installation has, and nothing else."""
    if show:
        from spot_client.wire.thin_snapshot import encode

        # Into a file or pipe go exactly the bytes that would be sent; a terminal gets a line end, for its prompt.
        click.echo(encode(session.store().state().versions), nl=sys.stdout.isatty())
        return
    with session.at_work() as opened:
        opened.spot.deliver_thin_snapshot()
    session.report.say("The mirror has the thin snapshot.")


COMMANDS = (enrol, thin_snapshot)
