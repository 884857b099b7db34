"""spot check, changes, history, status: what there is to know. Nothing that is installed changes."""

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from spot_client.cli.changing import NOTHING_TO_DO
from spot_client.cli.options import Command, clock_option, exit_code_option, json_option, source_option, spread_option
from spot_client.cli.session import Session
from spot_client.errors import RefusedLocally
from spot_client.wire.installation import short_form

if TYPE_CHECKING:
    from packaging.version import Version

    from spot_client.renewed import Outcome
    from spot_client.state import Pinned

_SOURCES = {"bundle": "the bundle", "catalogue": "the signed catalogue"}


@click.command(cls=Command, short_help="Say what an update would do and cost.")
@click.argument("components", metavar="[COMPONENT]...", nargs=-1)
@exit_code_option
@spread_option
@source_option
@clock_option
@json_option
@click.pass_obj
def check(session: Session, components: tuple[str, ...], exit_code: bool) -> None:
    """Say what an update would do, and what it would cost. Changes nothing.

    Without COMPONENT (PRODUCT/COMPONENT): all that are installed.
    """
    from spot_client import shapes
    from spot_client.wording import describe

    with session.at_work() as opened:

        def show(component: str) -> dict[str, Any]:
            offer = opened.spot.offer(component)
            session.answer(describe(offer))
            return shapes.offer(offer)

        found = session.each(components or opened.installed, show)
        opened.spot.settle()
    if exit_code and all(one["action"] == "none" for one in found):
        sys.exit(NOTHING_TO_DO)


@click.command(cls=Command, short_help="Show the releases after the one in use.")
@click.argument("component")
@click.option("--from", "after", metavar="VERSION", help="After this version; else after the one in use.")
@click.option("--to", "up_to", metavar="VERSION", help="Up to this version; else up to the newest on offer.")
@clock_option
@json_option
@click.pass_obj
def changes(session: Session, component: str, after: str | None, up_to: str | None) -> None:
    """Show the releases of COMPONENT between the one in use and the newest, oldest first, with their notes.

    Those offered in this installation's channel and for this machine. If it is not installed: all of them.
    """
    from spot_client import shapes, wording
    from spot_client.decide.changes import changes as between
    from spot_client.platforms import here

    bounds = _version(after), _version(up_to)
    _, settings = session.open()
    with session.at_work() as opened:
        first = bounds[0] or _version(opened.versions.get(component))
        index = opened.offers.index(component)
    found = between(index, channel=settings.channel, platform=here(), after=first, up_to=bounds[1])
    for release in found:
        session.answer(wording.change(release))
    if not found:
        session.report.say(f"{component}: nothing on offer is newer{f' than {first}' if first else ''}.")
    session.document([shapes.release(release) for release in found])


@click.command(cls=Command, short_help="Show what SPOT changed here, newest first.")
@click.argument("component", required=False)
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many changes.")
@json_option
@click.pass_obj
def history(session: Session, component: str | None, limit: int) -> None:
    """Show what SPOT changed here, newest first; of COMPONENT, or of all. Needs no network.

    It is kept on this machine only.
    """
    import msgspec

    from spot_client.history import History
    from spot_client.wording import table

    paths = session.found().paths
    events = [event for event in History(paths.own / "history.jsonl").read() if component in {None, event.component}]
    rows = [
        (event.at, event.component, event.action.value, event.old or "-", event.new or "-", event.outcome)
        for event in events[:limit]
    ]
    if rows:
        session.answer(table(("AT", "COMPONENT", "ACTION", "FROM", "TO", "OUTCOME"), rows))
    elif component is None:
        session.report.say("Nothing was changed here yet: 'spot install PRODUCT/COMPONENT' begins.")
    else:
        session.report.say(f"Nothing of {component} was changed here: 'spot history' shows what was.")
    session.document(msgspec.to_builtins(events[:limit]))


@click.command(cls=Command, short_help="Show who this installation is, and what it has.")
@json_option
@click.pass_obj
def status(session: Session) -> None:
    """Show who this installation is and what it has. Needs no network."""
    from spot_client import certificate, checked, mirrors, renew, shapes
    from spot_client.known import Known
    from spot_client.wording import in_use

    paths, settings = session.open()
    store = session.store()
    identity, state = store.enrolled(), store.state()
    validity, last = certificate.read(store.credentials), checked.last(paths)
    stops = {component: Known(paths).stops(component) for component in state.components}
    components = [
        shapes.installed(component, entry, str(paths.component(component) / "current"), stops[component])
        for component, entry in sorted(state.components.items())
    ]
    found = {
        "root": str(paths.root),
        "realm": identity.realm,
        "customer": identity.customer,
        "installation": identity.installation,
        "short_form": short_form(identity.installation),
        "mirrors": [_mirror(mirror) for mirror in mirrors.in_force(store, identity)],
        "mirrors_from": mirrors.source(store).value,
        "channel": settings.channel,
        "certificate_until": _utc(validity.end) if validity else None,
        **_standing(renew.standing(store)),
        "last_check": _utc(last) if last else None,
        "thin_snapshot": {"owed": state.owed, "components": state.versions},
        "components": components,
    }
    session.answer("\n".join([*_rows(found), *map(_installed, components)]))
    if not components:
        session.report.say("\nNothing is installed. 'spot list --available' shows what could be.")
    session.warn_of_expiry(store)
    for component, entry in sorted(state.components.items()):
        stop = stops[component].of(entry.current.version, entry.current.platform)
        if stop:
            session.report.warn(in_use(component, entry.current.version, stop))
    session.warn_of_pins(store)
    session.document(found)


def _rows(found: dict[str, Any]) -> list[str]:
    until = found["certificate_until"]
    rows = [
        ("Root", found["root"]),
        ("Customer", f"{found['customer']} ({found['realm']})"),
        ("Installation", f"{found['short_form']} ({found['installation']})"),
        *(("Mirror", f"{mirror['url']} ({_pins(mirror)})") for mirror in found["mirrors"]),
        ("Mirrors from", _SOURCES[found["mirrors_from"]]),
        ("Channel", found["channel"]),
        ("Certificate", f"good until {until}" if until else "cannot be read: enrol again"),
        *_whose(found),
        ("Last check", found["last_check"] or "never"),
        ("Thin snapshot", _owed(**found["thin_snapshot"])),
    ]
    return [f"{name + ':':15}{value}" for name, value in rows]


def _standing(outcome: "Outcome") -> dict[str, Any]:
    return {
        "certificate_kind": outcome.held.kind.value if outcome.held else None,
        "certificate_asked_for": _utc(outcome.since) if outcome.since else None,
        "certificate_refused": (outcome.pending.reason if outcome.pending else "") or None,
    }


def _whose(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Whom the certificate names, and what there is to know of the next one."""
    from spot_client.certificate import Kind

    kind, asked, refused = (found[f"certificate_{name}"] for name in ("kind", "asked_for", "refused"))
    rows = [("It names", Kind(kind).names)] if kind else []
    if asked:
        rows.append(("Next one", f"refused ({refused}): see 'spot renew'" if refused else f"asked for since {asked}"))
    return rows


def _mirror(mirror: "Pinned") -> dict[str, Any]:
    from spot_client.mirrors import ends

    return {"url": mirror.url, "pins_until": [_utc(end) for end in ends(mirror)]}


def _pins(mirror: dict[str, Any]) -> str:
    until = ", ".join(end[:10] for end in mirror["pins_until"])
    return f"pins good until {until}" if until else "pins cannot be read: enrol again"


def _installed(component: dict[str, Any]) -> str:
    kept = ", ".join(component["kept"]) or "none"
    return (
        f"\n{component['component']} {component['version']} ({component['platform']}), kept: {kept}"
        f"\n  {component['path']}"
    )


def _owed(*, owed: bool, components: dict[str, str]) -> str:
    if not owed:
        return "the mirror has the newest"
    versions = ", ".join(f"{component} {version}" for component, version in components.items())
    return f"to be sent: {versions or 'that nothing is installed'}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _version(text: str | None) -> "Version | None":
    from packaging.version import InvalidVersion, Version

    try:
        return None if text is None else Version(text)
    except InvalidVersion as error:
        raise RefusedLocally("bad-name", f"{error}: write a version like 1.40.1.") from error


COMMANDS = (status, check, changes, history)
