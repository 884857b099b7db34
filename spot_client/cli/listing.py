"""spot list: components that are installed, and those that could be."""

from typing import TYPE_CHECKING

import click

from spot_client.cli.options import Command, clock_option, json_option
from spot_client.cli.session import Session

if TYPE_CHECKING:
    from spot_client.available import Available


@click.command("list", cls=Command, short_help="List components, installed or on offer.")
@click.option("--available", "wide", is_flag=True, help="All components on offer to this customer. Asks the mirror.")
@clock_option
@json_option
@click.pass_obj
def list_components(session: Session, wide: bool) -> None:
    """List the components that are installed, or with --available all that are on offer.

    What an installation would cost in bytes is said by 'spot check COMPONENT'.
    """
    if wide:
        _available(session)
    else:
        _installed(session)


def _installed(session: Session) -> None:
    from spot_client import shapes
    from spot_client.known import Known
    from spot_client.wording import table

    store = session.store()
    store.enrolled()
    known = Known(store.paths)
    components = [
        shapes.installed(component, entry, str(store.paths.component(component) / "current"), known.stops(component))
        for component, entry in sorted(store.state().components.items())
    ]
    rows = [(one["component"], one["version"], one["platform"], ", ".join(one["kept"]) or "-") for one in components]
    if rows:
        session.answer(table(("COMPONENT", "VERSION", "PLATFORM", "KEPT"), rows))
    else:
        session.report.say("Nothing is installed. 'spot list --available' shows what could be.")
    session.document(components)


def _available(session: Session) -> None:
    from spot_client import shapes
    from spot_client.available import Place, available, fetch_licences
    from spot_client.platforms import here
    from spot_client.wording import table

    _, settings = session.open()
    with session.at_work() as opened:
        licensed = fetch_licences(opened.transport)
        place = Place(settings.channel, here(), opened.site.rule())
        found = available(opened.offers, licensed, opened.store.state(), place)
    if found:
        session.answer(table(("COMPONENT", "INSTALLED", "ON OFFER", "SEVERITY", "PUBLISHED", "NOTE"), map(_row, found)))
    else:
        session.report.say("Nothing is on offer to this customer: ask your vendor for a licence.")
    session.document([shapes.on_offer(one) for one in found])


def _row(found: "Available") -> tuple[str, ...]:
    from spot_client.decide.choose import Hold, Why

    installed, decision = found.installed or "-", found.decision
    notes = [f"{installed} {found.stopped.told}"] if found.stopped else []
    if isinstance(decision, Hold):
        reached = installed if decision.why is Why.CURRENT else "-"
        return found.component, installed, reached, "-", "-", "; ".join([*notes, decision.detail])
    release = decision.release
    return found.component, installed, release.version, release.severity.value, release.published[:10], "".join(notes)


COMMANDS = (list_components,)
