"""spot install, update, rollback, uninstall: what changes which version is in use."""

import sys
from typing import TYPE_CHECKING, Any

import click

from spot_client.cli.options import Command, clock_option, exit_code_option, json_option, source_option, spread_option
from spot_client.cli.session import Session
from spot_client.errors import RefusedLocally

if TYPE_CHECKING:
    from spot_client.update import Spot

NOTHING_TO_DO = 10


@click.command(cls=Command, short_help="Install a component, or go to another version.")
@click.argument("component")
@click.option("--version", metavar="VERSION", help="This version, newer or older; else the newest on offer.")
@exit_code_option
@source_option
@clock_option
@json_option
@click.pass_obj
def install(session: Session, component: str, version: str | None, exit_code: bool) -> None:
    """Install COMPONENT (PRODUCT/COMPONENT), or go to another version of it."""
    with session.at_work() as opened:
        done = _go(session, opened.spot, component, version)
    session.document(done)
    _end(exit_code, done)


@click.command(cls=Command, short_help="Go to the newest releases on offer.")
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@exit_code_option
@spread_option
@source_option
@clock_option
@json_option
@click.pass_obj
def update(session: Session, components: tuple[str, ...], exit_code: bool) -> None:
    """Bring COMPONENTs, or all that are installed, to the newest release on offer."""
    with session.at_work() as opened:
        spot = opened.spot
        done = session.each(components or opened.installed, lambda component: _go(session, spot, component))
        spot.settle()
    _end(exit_code, *done)


@click.command(cls=Command, short_help="Go back to an older version that is kept here.")
@click.argument("component")
@click.option("--to", "version", metavar="VERSION", help="This kept version; else the newest below the one in use.")
@json_option
@click.pass_obj
def rollback(session: Session, component: str, version: str | None) -> None:
    """Put an older version of COMPONENT that is kept here back into use. Needs no network.

    One that the vendor withdrew or halted is passed over, as far as this machine was told.
    """
    from spot_client import shapes

    with session.at_work(asks=False) as opened:
        before, warned = opened.store.state().components.get(component), len(session.report.warned)
        reached = opened.spot.rollback(component, version)
        stops = opened.offers.known.stops(component)
    session.answer(f"{component} is now {reached}.")
    if before:
        session.document(shapes.gone_back(component, before, reached, stops, session.report.warned[warned:]))


@click.command(cls=Command, short_help="Remove a component with all its versions.")
@click.argument("component")
@click.option("--purge", is_flag=True, help="Also remove its state and the configuration that was saved.")
@click.option("--force", is_flag=True, help="Even if another installed component requires it.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask (only a terminal is asked).")
@json_option
@click.pass_obj
def uninstall(session: Session, component: str, purge: bool, force: bool, yes: bool) -> None:
    """Remove COMPONENT with all its versions. Its state and changed configuration stay, unless --purge.

    Later, --purge also removes what stayed then. Needs no network.
    """
    if not (yes or session.json) and sys.stdin.isatty():
        _confirm(session, component, purge=purge)
    with session.at_work(asks=False) as opened:
        before = len(session.report.warned)
        gone = opened.spot.uninstall(component, purge=purge, force=force)
    said = f"{component} {gone.version} is uninstalled." if gone.version else f"What was left of {component} is gone."
    session.answer("\n".join([said, *(f"  stays: {path}" for path in gone.kept)]))
    went = {"component": component, "action": "uninstall", "old": gone.version, "new": None, "kept": list(gone.kept)}
    session.document({**went, "notices": session.report.warned[before:]})


def _confirm(session: Session, component: str, *, purge: bool) -> None:
    store = session.store()
    known = store.state().components.get(component)
    if known:
        what = f"{component} {known.current.version}{' and its state and saved configuration' if purge else ''}"
    elif purge and store.paths.component(component).exists():
        what = f"what is left of {component}, its state and saved configuration"
    else:
        return
    if not click.confirm(f"Remove {what}?", err=True):
        raise RefusedLocally("not-confirmed", "Nothing was changed.")


def _go(session: Session, spot: "Spot", component: str, version: str | None = None) -> dict[str, Any]:
    from spot_client import shapes
    from spot_client.wording import outcome

    warned = session.report.warned
    before = len(warned)
    offer = spot.offer(component, version)
    say = session.answer if spot.go(offer) else session.report.say
    say(outcome(offer))
    return shapes.result(offer, warned[before:])


def _end(exit_code: bool, *done: dict[str, Any]) -> None:
    if exit_code and all(one["action"] == "none" for one in done):
        sys.exit(NOTHING_TO_DO)


COMMANDS = (install, update, rollback, uninstall)
