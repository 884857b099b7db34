"""`spot-ca push` and `spot-ca renewals`: what the issuing host has to do with running mirrors. It only calls."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Unpack

import click
import msgspec

from ca.calls import WaitingRequest
from ca.cli.mirrors import MirrorOptions, mirror_options, open_mirrors
from ca.cli.options import Settings, dry_run_option, json_option, utc_now
from ca.cli.output import print_json
from ca.cli.pushing import check_pushed, lists_of, push_to, tell_pushed
from ca.errors import CaError, OperatorError, shown
from ca.operator import Operator
from ca.renewals import Outcome, Rules, settle
from ca.renewing import GRACE
from ca.vault import check_vault, open_vault

_TOLD: Final = ("digest", "who", "requester", "serial", "again", "reason", "sentence")


class PushOptions(MirrorOptions):
    """As the command passes them on."""

    as_json: bool


class RenewalOptions(MirrorOptions):
    """As the command passes them on."""

    accept: tuple[str, ...]
    grace_days: int
    dry_run: bool
    as_json: bool


@click.command(short_help="Bring the revocation list to mirrors.")
@mirror_options
@json_option
@click.pass_obj
def push(settings: Settings, **options: Unpack[PushOptions]) -> None:
    """Bring the issuing CA's CRL to mirrors. Each holds to it before this command ends.

    So with those of other issuing CAs that are still needed, or soon will be (spot-ca rotate), where a mirror knows
    them. It needs no passphrase: what is brought was signed before. One mirror that does not answer keeps it from no
    other.

    \b
    --json prints a list, in the order of the mirrors, of:
      mirror            its URL
      held              issuer_key, number, this_update, next_update, revoked;
                        null if it did not take it
      reason, sentence  then, why; unknown-issuer is no failure: that mirror has
                        no such issuing CA
      authority         of which CA the CRL is: issuing, or the name of another
    """
    check_vault(settings.folder)
    mirrors = open_mirrors(options)
    with open_vault(settings.folder, settings.issuing_key) as vault:
        brought = lists_of(vault, utc_now())
    pushed = push_to(mirrors, brought)
    if options["as_json"]:
        print_json(pushed)
    else:
        tell_pushed(pushed)
    check_pushed(pushed)


@click.command(short_help="Sign what installations ask mirrors for.")
@click.option("--accept", metavar="SERIAL", multiple=True, help="Sign for this requester although it may be a clone.")
@click.option(
    "--grace",
    "grace_days",
    type=click.IntRange(0, 366),
    default=GRACE.days,
    show_default=True,
    metavar="DAYS",
    help="For how long a certificate that ended is still renewed.",
)
@mirror_options
@dry_run_option
@json_option
@click.pass_obj
def renewals(settings: Settings, **options: Unpack[RenewalOptions]) -> None:
    """Fetch the requests for certificates that wait at mirrors, check and sign them, and hand the certificates out.

    What is signed is recorded before anybody gets it; a run that was interrupted is finished by the same command.
    Nobody is asked for a passphrase where nothing waits. Two machines that renew with one certificate are a clone
    alert: nothing is signed for it until a person has revoked it or accepted it, and the command ends with 6.

    \b
    --json prints a list, by mirror, of:
      mirror      its URL
      reason      why it was not asked, or did not take everything; null
      requests    a list of: digest, who, requester, serial, again, reason,
                  sentence, and outcome (signed, denied or held)
    """
    mirrors = open_mirrors(options)
    check_vault(settings.folder)
    asked = [_asked(mirror) for mirror in mirrors]
    if options["dry_run"]:
        with open_vault(settings.folder) as vault:
            for one in asked:
                one.outcomes = settle(vault, None, one.waiting, _rules(options))
    elif any(one.waiting for one in asked):
        with settings.signer() as (vault, signer):
            for one in asked:
                one.outcomes = settle(vault, signer, one.waiting, _rules(options))
        for one in asked:  # the CA's folder is free again: mirrors may take their time
            _answer(one)
    _tell(asked, dry_run=options["dry_run"], as_json=options["as_json"])


class _Asked(msgspec.Struct):
    """One mirror, and what became of its requests. problem: why not all of it was done."""

    mirror: Operator
    waiting: Sequence[WaitingRequest] = ()
    outcomes: Sequence[Outcome] = ()
    problem: CaError | None = None


def _asked(mirror: Operator) -> _Asked:
    try:
        return _Asked(mirror, [*mirror.waiting()])
    except CaError as error:
        return _Asked(mirror, problem=error)


def _rules(options: RenewalOptions) -> Rules:
    accepted = frozenset(serial.lower() for serial in options["accept"])
    return Rules(utc_now(), timedelta(days=options["grace_days"]), accepted)


def _answer(one: _Asked) -> None:
    for outcome in one.outcomes:
        if outcome.decision is None:
            continue
        try:
            one.mirror.decide(outcome.digest, outcome.decision)
        except CaError as error:
            one.problem = error


def _tell(asked: Sequence[_Asked], *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        print_json([_document(one) for one in asked])
    for one in asked if not as_json else ():
        for outcome in one.outcomes:
            click.echo(_line(outcome, dry_run=dry_run))
        if not one.outcomes and one.problem is None:
            click.echo(f"Nothing waits at {one.mirror.url}.")
    if dry_run and not as_json:
        click.echo("Nothing was changed.")
    problems = [one.problem for one in asked if one.problem is not None]
    if problems:
        raise OperatorError(problems[0].reason, " ".join(map(str, problems)))
    held = [outcome for one in asked for outcome in one.outcomes if outcome.decision is None]
    if held:
        click.echo(f"{len(held)} requests wait for a person: see above.", err=True)
        raise click.exceptions.Exit(6)


def _document(one: _Asked) -> dict[str, object]:
    requests = [
        {
            "outcome": _kind(outcome),
            **{name: getattr(outcome, name) for name in _TOLD},
        }
        for outcome in one.outcomes
    ]
    return {"mirror": one.mirror.url, "reason": one.problem.reason if one.problem else None, "requests": requests}


def _kind(outcome: Outcome) -> str:
    if outcome.decision is None:
        return "held"
    return "denied" if outcome.decision.denied is not None else "signed"


def _line(outcome: Outcome, *, dry_run: bool) -> str:
    who, kind = shown(outcome.who), _kind(outcome)
    if kind == "signed":
        again = ", as before" if outcome.again else ""
        return f"{'Would sign' if dry_run else 'Signed'} {who}, asked for by {outcome.requester}{again}."
    word = {"denied": "Would deny" if dry_run else "Denied", "held": "HELD"}[kind]
    return f"{word} {who}, asked for by {outcome.requester} ({outcome.reason}): {outcome.sentence}"


COMMANDS = (push, renewals)
