"""spot renew: the certificate of this installation. Every other run that asks a mirror sees to it first (`see_to`)."""

import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from spot_client.cli.options import Command, json_option
from spot_client.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from spot_client.config import Paths, Settings
    from spot_client.renewed import Outcome
    from spot_client.state import Store


@click.command(cls=Command, short_help="See to the certificate of this installation.")
@click.option("--now", "early", is_flag=True, help="Ask now, even if it is not due, or it was said to ask later.")
@click.option("--again", is_flag=True, help="Drop the request that waits or was refused; make a new key and ask anew.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done. Needs no network.")
@json_option
@click.pass_obj
def renew(session: Session, early: bool, again: bool, dry_run: bool) -> None:
    """Get this installation a certificate of its own, or the next one, and say how things stand.

    Every run of SPOT that asks a mirror does this by itself when it is due: at once after enrolment, later from two
    thirds of the certificate's lifetime on. The key is made here and stays here.
    """
    from spot_client import renew as renewing
    from spot_client.compose import open_renewer
    from spot_client.decide.renewal import Step
    from spot_client.renewed import shape

    paths, settings = session.open()
    store = session.store()
    store.enrolled()
    if dry_run:
        outcome = renewing.standing(store)
        step = Step.ASK if again else renewing.plan(store, session.now(), early=early)
    else:
        with store.lock():
            outcome = open_renewer(paths, settings, session.now).run(early=early, again=again)
            step = None
    session.answer("\n".join(_lines(outcome) + ([_STEPS[step.value]] if step else [])))
    if not dry_run:
        outcome.stop()
    due = renewing.due(outcome.held) if outcome.held else None
    session.document({**shape(outcome, due), "would": step.value if step else None})


_STEPS = {
    "nothing": "Nothing would be done.",
    "stop": "Nothing would be done: a person has to act.",
    "wait": "Nothing would be done yet: --now asks all the same.",
    "ask": "The mirror would be asked.",
}
_MOMENT = 1.0  # seconds
_LATER = "Each run asks for it; 'spot renew --now' does at once."
_UNSUPPORTED = "Certificate: the one here stays in use, because the mirror hands out none for a single installation."


def see_to(session: Session, paths: "Paths", settings: "Settings") -> None:
    """Before a run asks for anything else: get or renew the certificate if it is time, or pick it up.

    What fails stops the run only where the certificate here is good for nothing else. What the run will meet by itself
    (a mirror out of reach, a certificate that was revoked) is not told twice.

    Raises:
        SpotError: as `Outcome.check`.
        LocalFault, OSError: this machine.
    """
    from spot_client.compose import open_renewer
    from spot_client.renewed import State

    outcome = open_renewer(paths, settings, session.now).run()
    outcome.check(session.now())
    if outcome.state is State.PICKED_UP:
        session.report.say(_picked_up(outcome))
    elif outcome.state is State.UNSUPPORTED and outcome.news:
        session.report.say(_UNSUPPORTED)
    elif outcome.is_of_request:
        session.report.warn(f"The certificate of this installation could not be renewed. {outcome.failure}")


def wait_for(
    session: Session, store: "Store", outcome: "Outcome", run: "Callable[[], Outcome]", minutes: int
) -> "Outcome":
    """Look again, each time that the mirror said, until the certificate is there or refused.

    Args:
        outcome: of the look before; run: takes another.

    Raises:
        NotSigned: it is not signed, and so many minutes are over.
    """
    from spot_client.errors import NotSigned
    from spot_client.renewed import State

    end = session.now() + timedelta(minutes=minutes)
    while outcome.state is State.WAITING:
        after = outcome.pending.after if outcome.pending else None
        pause = max((after - session.now()).total_seconds() if after else 0.0, 0.0) + _MOMENT
        if session.now() + timedelta(seconds=pause) > end:
            raise NotSigned("certificate-waiting", f"Your vendor has not signed within {minutes} minutes. {_LATER}")
        session.report.say(f"Waiting for your vendor to sign; looking again in {pause:.0f} s.")
        time.sleep(pause)
        with store.lock():
            outcome = run()
    return outcome


def tell_enrolled(session: Session, outcome: "Outcome") -> None:
    """After an enrolment: how it stands about a certificate of its own. Raises what makes the enrolment useless."""
    from spot_client.errors import NotSigned
    from spot_client.renewed import State

    with suppress(NotSigned):  # an enrolment has ended well when all that is left is for others to do
        outcome.check(session.now())
    if outcome.state is State.PICKED_UP:
        session.report.say(_picked_up(outcome))
    elif outcome.state is State.WAITING:
        session.report.say(
            "Certificate: waiting for your vendor, who has to sign it. Each run looks whether it is there."
        )
    elif outcome.state is State.UNSUPPORTED:
        session.report.say(_UNSUPPORTED)
    elif outcome.failure is not None:
        session.report.warn(f"A certificate of this installation's own will be asked for later. {outcome.failure}")


def _lines(outcome: "Outcome") -> list[str]:
    """How it stands, for people."""
    from spot_client.renewed import State

    held, pending = outcome.held, outcome.pending
    if held is None:
        return ["The certificate cannot be read: enrol again."]
    until = f"{held.validity.end:%Y-%m-%d %H:%M} UTC"
    found = [f"Certificate: good until {until}. It names {held.kind.names}."]
    if outcome.state is State.PICKED_UP:
        found.append("It is new, and in use from now on.")
    if pending:
        found.append(f"Another was asked for on {pending.since:%Y-%m-%d %H:%M} UTC, and has not come.")
    if pending and pending.after:
        found.append(f"It is asked for again from {pending.after:%Y-%m-%d %H:%M} UTC on.")
    if outcome.state is State.UNSUPPORTED:
        found.append(_UNSUPPORTED)
    return found


def _picked_up(outcome: "Outcome") -> str:
    until = f", good until {outcome.held.validity.end:%Y-%m-%d}" if outcome.held else ""
    return f"Certificate: this installation's own is in use from now on{until}."


COMMANDS = (renew,)
