"""spot: the command line of the client. Composes; every rule lives in the rooms it calls.

Heavy rooms are imported where they are used, so that `spot --version` and `spot --help` start at once.
"""

import errno
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ca.errors import CaError
from spot_client import __version__
from spot_client.errors import LocalFault, NotTrusted, Refused, RefusedLocally, SpotError
from spot_client.wire.errors import WireError

if TYPE_CHECKING:
    from spot_client.config import Paths, Settings
    from spot_client.update import Offer, Spot

NOTHING_TO_DO = 10

EPILOG = """\b
Exit codes:
   0  done, or nothing to do
   2  the command line is wrong
   3  not trusted: what was presented is not what the vendor signed or pinned
   4  not reachable: try again later
   5  not licensed, or no such component
   6  refused locally: SPOT will not do what was asked
   7  busy: another SPOT is at work on this installation
   8  this machine: disk full, no permission, damaged state
   9  not enrolled, or the credentials cannot be used
  10  nothing to do (only with --exit-code)
  11  out of date: a certificate or the catalogue has expired, or the clock is wrong
  12  the mirror refused: revoked, expired, ...
"""

F = TypeVar("F", bound=Callable[..., Any])


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spot")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SPOT_ROOT",
    show_envvar=True,
    help="The installation root.  [default: a folder for this user]",
)
@click.pass_context
def cli(context: click.Context, root: Path | None) -> None:
    """Fetch, verify and switch the vendor's releases on this machine."""
    context.obj = root


def _exit_code_option(command: F) -> F:
    return click.option("--exit-code", is_flag=True, help="Exit with 10 if there was nothing to do.")(command)


@cli.command()
@click.argument("bundle", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def enrol(root: Path | None, bundle: Path) -> None:
    """Give this installation its identity, from the vendor's BUNDLE.

    Asks the mirror for an installation id. Safe to repeat; a newer bundle of the same customer replaces the
    credentials and changes nothing else.
    """
    from spot_client import enrol as enrolment
    from spot_client.compose import open_transport
    from spot_client.state import Store
    from spot_client.wire.installation import short_form

    paths, settings = _open(root)
    contents = enrolment.read_bundle(bundle)
    store = Store(paths)
    with store.lock():
        identity = enrolment.enrol(
            store,
            contents,
            request=secrets.token_hex(16),
            connect=lambda identity: open_transport(paths, settings, identity),
        )
    click.echo(f"Enrolled for {identity.customer} ({identity.realm}) in {paths.root}.")
    click.echo(f"Installation {short_form(identity.installation)} — tell this to support when they ask.")


@cli.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@_exit_code_option
@click.pass_obj
def check(root: Path | None, components: tuple[str, ...], exit_code: bool) -> None:
    """Say what an update would do, and what it would cost. Changes nothing.

    Without COMPONENT (PRODUCT/COMPONENT): all that are installed.
    """
    from spot_client.wording import describe

    with _spot(root) as (spot, installed):

        def show(component: str) -> bool:
            offer = spot.offer(component)
            click.echo(describe(offer))
            return offer.wire_bytes is not None

        done = _each(components or installed, show)
        spot.settle()
    _end(exit_code, done=done)


@cli.command()
@click.argument("component")
@click.option("--version", metavar="VERSION", help="This version, newer or older; else the newest on offer.")
@_exit_code_option
@click.pass_obj
def install(root: Path | None, component: str, version: str | None, exit_code: bool) -> None:
    """Install COMPONENT (PRODUCT/COMPONENT), or go to another version of it."""
    with _spot(root) as (spot, _):
        done = _go(spot, spot.offer(component, version))
    _end(exit_code, done=done)


@cli.command()
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@_exit_code_option
@click.pass_obj
def update(root: Path | None, components: tuple[str, ...], exit_code: bool) -> None:
    """Bring COMPONENTs, or all that are installed, to the newest release on offer."""
    with _spot(root) as (spot, installed):
        done = _each(components or installed, lambda component: _go(spot, spot.offer(component)))
        spot.settle()
    _end(exit_code, done=done)


@cli.command()
@click.argument("component")
@click.option("--to", "version", metavar="VERSION", help="This kept version; else the newest below the one in use.")
@click.pass_obj
def rollback(root: Path | None, component: str, version: str | None) -> None:
    """Put an older version of COMPONENT that is kept here back into use. Needs no network."""
    with _spot(root) as (spot, _):
        reached = spot.rollback(component, version)
    click.echo(f"{component} is now {reached}.")


@cli.command()
@click.pass_obj
def status(root: Path | None) -> None:
    """Show who this installation is and what it has. Needs no network."""
    from spot_client.state import Store
    from spot_client.wire.installation import short_form

    paths, settings = _open(root)
    store = Store(paths)
    identity = store.enrolled()
    state = store.state()
    rows = [
        ("Root", str(paths.root)),
        ("Customer", f"{identity.customer} ({identity.realm})"),
        ("Installation", f"{short_form(identity.installation)} ({identity.installation})"),
        *(("Mirror", mirror.url) for mirror in identity.mirrors),
        ("Channel", settings.channel),
        ("Thin snapshot", "to be sent" if state.owed else "the mirror has the newest"),
    ]
    for name, value in rows:
        click.echo(f"{name + ':':15}{value}")
    for component, entry in sorted(state.components.items()):
        kept = ", ".join(release.version for release in entry.kept) or "none"
        click.echo(f"\n{component} {entry.current.version} ({entry.current.platform}), kept: {kept}")
        click.echo(f"  {paths.component(component) / 'current'}")
    if not state.components:
        click.echo("\nNothing is installed.")


@cli.command("thin-snapshot")
@click.option("--show", is_flag=True, help="Print exactly what would be sent, and send nothing.")
@click.pass_obj
def thin_snapshot(root: Path | None, show: bool) -> None:
    """Send the thin snapshot: the versions this installation has, and nothing else."""
    if show:
        from spot_client.state import Store
        from spot_client.wire.thin_snapshot import encode

        paths, _ = _open(root)
        # Into a file or pipe go exactly the bytes that would be sent; a terminal gets a line end, for its prompt.
        click.echo(encode(Store(paths).state().versions), nl=sys.stdout.isatty())
        return
    with _spot(root) as (spot, _installed):
        spot.deliver_thin_snapshot()
    click.echo("The mirror has the thin snapshot.")


@contextmanager
def _spot(root: Path | None) -> Iterator[tuple["Spot", list[str]]]:
    """SPOT at work: lock held, leftovers of an interrupted run dealt with; and the components that are installed."""
    from spot_client.compose import open_spot
    from spot_client.report import for_stream
    from spot_client.state import Store

    paths, settings = _open(root)
    store = Store(paths)
    store.enrolled()
    with store.lock():
        spot, transport = open_spot(paths, settings, for_stream())
        try:
            spot.begin()
            yield spot, sorted(store.state().components)
        finally:
            transport.close()


def _open(root: Path | None) -> tuple["Paths", "Settings"]:
    from spot_client.config import Paths, load_settings

    if root is None:
        import platformdirs

        root = platformdirs.user_data_path("spot")
    paths = Paths(root.absolute())
    return paths, load_settings(paths.settings)


def _go(spot: "Spot", offer: "Offer") -> bool:
    from spot_client.wording import outcome

    done = spot.go(offer)
    click.echo(outcome(offer))
    return done


def _each(components: Sequence[str], work: Callable[[str], bool]) -> bool:
    """Do the work for each component: what stops one does not stop the others. True if there was anything to do."""
    if not components:
        click.echo("Nothing is installed: 'spot install PRODUCT/COMPONENT' begins.")
    done, failures = False, []
    for component in components:
        try:
            done |= work(component)
        except (NotTrusted, Refused, RefusedLocally) as error:
            failures.append(error)
            if len(components) > 1:
                click.echo(f"spot: {component}: {error}", err=True)
    if failures:
        raise failures[0]
    return done


def _end(exit_code: bool, *, done: bool) -> None:
    if exit_code and not done:
        sys.exit(NOTHING_TO_DO)


def main() -> None:
    """Run the command line; an expected failure is one sentence and an exit code, never a traceback."""
    try:
        cli()
    except SpotError as error:
        _fail(str(error), error.exit_code)
    except CaError as error:
        _fail(f"The credentials of this installation cannot be used. {error}", 9)
    except WireError as error:
        _fail(str(error), RefusedLocally.exit_code)
    except OSError as error:
        what = f"{error.strerror or error} ({error.filename})" if error.filename else f"{error.strerror or error}"
        step = "Make room on the disk" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "Put that right"
        _fail(f"This machine refused: {what}. {step}, and run it again.", LocalFault.exit_code)


def _fail(message: str, code: int) -> None:
    click.echo(f"spot: {message}", err=True)
    sys.exit(code)
