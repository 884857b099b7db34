"""`spot-ca issue`: one certificate with a new key, as two files."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TypedDict, Unpack

import click

from ca.cli.options import F, Settings, days_option, json_option, key_type_option, utc_now
from ca.cli.output import HANDED_BACK, print_json, short
from ca.facts import certificate_facts
from ca.handout import Certified, hand_out, renew_server
from ca.identity import Role, make
from ca.misplaced import Guiding
from ca.profiles import CA_OPERATOR, CLIENT, MIRROR, SERVER, SUPPORT, KeyType, Profile
from ca.subjects import Hosts, Subject

_JSON = """\b
--json prints:
  certificate                   as spot-ca show --json
  certificate_path, key_path    the two files
  resumed                       whether a key of an interrupted run was taken up
  handed_back                   whether its certificate was, too; then days asked
                                for now do not count
"""


class LeafOptions(TypedDict):
    """The options that all leaf certificates have."""

    out: Path | None
    key_type: str
    days: int | None
    as_json: bool


def _leaf_options(command: F) -> F:
    out = click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder for the certificate and its key.  [default: issued/ in the CA's folder]",
    )
    return out(key_type_option(days_option(json_option(command))))


@click.group(cls=Guiding)
def issue() -> None:
    """Issue a certificate, with a new key.

    The key is not encrypted, since servers and installed products start unattended; only its owner may read it. Nothing
    is overwritten. A run that was interrupted is finished by the same command.

    \b
    Files: NAME.crt and NAME.key of servers and clients; NAME.PROFILE.crt and
    NAME.PROFILE.key of mirrors, support and ca-operators.
    """


@issue.command(epilog=_JSON, short_help="For a mirror, to serve with.")
@click.argument("name")
@click.option("--dns", multiple=True, help="DNS name that clients connect to; repeatable.")
@click.option("--ip", "addresses", multiple=True, help="IP address that clients connect to; repeatable.")
@click.option("--renew", is_flag=True, help="The next certificate for the key that it has: NAME.next.crt.")
@_leaf_options
@click.pass_obj
def server(
    settings: Settings,
    name: str,
    *,
    dns: tuple[str, ...],
    addresses: tuple[str, ...],
    renew: bool,
    **options: Unpack[LeafOptions],
) -> None:
    """Issue a server certificate for the mirror NAME: NAME.crt (the leaf, which SPOT pins) and NAME.key.

    With --renew, names and key are those of the newest certificate of that NAME. The key stays where the mirror is, and
    need not be here: key_path is null in --json. SPOT pins whole certificates, so the next one has to reach it as a pin
    all the same.
    """
    if renew and (dns or addresses):
        raise click.UsageError("--renew takes the names over: leave --dns and --ip away.")
    if renew:
        _renew(settings, name, options)
    else:
        _issue(settings, lambda _: Hosts(name, dns, addresses), SERVER, options)


@issue.command(epilog=_JSON, short_help="For a customer, without a bundle.")
@click.argument("customer")
@_leaf_options
@click.pass_obj
def client(settings: Settings, customer: str, **options: Unpack[LeafOptions]) -> None:
    """Issue a client certificate for CUSTOMER: CUSTOMER.crt and CUSTOMER.key."""
    _issue(settings, lambda realm: make(realm, Role.CLIENT, customer), CLIENT, options)


@issue.command(epilog=_JSON, short_help="For a mirror, as a client of another.")
@click.argument("name")
@_leaf_options
@click.pass_obj
def mirror(settings: Settings, name: str, **options: Unpack[LeafOptions]) -> None:
    """Issue a certificate for the mirror NAME as a client of another mirror: NAME.mirror.crt and NAME.mirror.key.

    What it serves with is another certificate: spot-ca issue server.
    """
    _issue(settings, lambda realm: make(realm, Role.MIRROR, name), MIRROR, options)


@issue.command(epilog=_JSON, short_help="For somebody of the support staff.")
@click.argument("user")
@_leaf_options
@click.pass_obj
def support(settings: Settings, user: str, **options: Unpack[LeafOptions]) -> None:
    """Issue a certificate for USER of the support staff: USER.support.crt and USER.support.key."""
    _issue(settings, lambda realm: make(realm, Role.SUPPORT, user), SUPPORT, options)


@issue.command("ca-operator", epilog=_JSON, short_help="For a host that issues.")
@click.argument("name")
@_leaf_options
@click.pass_obj
def ca_operator(settings: Settings, name: str, **options: Unpack[LeafOptions]) -> None:
    """Issue a certificate for NAME, a host that issues: NAME.ca-operator.crt and NAME.ca-operator.key."""
    _issue(settings, lambda realm: make(realm, Role.CA_OPERATOR, name), CA_OPERATOR, options)


def _issue(settings: Settings, subject: Callable[[str], Subject], profile: Profile, options: LeafOptions) -> None:
    now = utc_now()
    with settings.signer() as (vault, signer):
        chosen = vault.chosen(profile, options["days"], now)
        handout = hand_out(
            vault,
            subject(vault.realm),
            chosen,
            signer,
            out=options["out"] or vault.folder / "issued",
            key_type=KeyType(options["key_type"]),
            now=now,
        )
        certificate = handout.certified.certificate
        facts = certificate_facts(certificate, vault.ledger.entry(f"{certificate.serial_number:x}"), now)
    if options["as_json"]:
        paths = {"certificate_path": str(handout.certificate_path), "key_path": str(handout.key_path)}
        print_json({"certificate": facts, **paths, **_taken_up(handout.certified)})
        return
    if handout.certified.resumed:
        click.echo(f"Took up the key {handout.key_path}, which was there without a certificate.")
    click.echo(f"Wrote {handout.certificate_path} and {handout.key_path}.")
    click.echo("\n".join(short(facts)))
    if handout.certified.handed_back:
        click.echo(HANDED_BACK)
    elif facts.not_after < now + chosen.lifetime - timedelta(days=1):
        click.echo("It ends sooner than others, since the issuing CA ends then.")


def _renew(settings: Settings, name: str, options: LeafOptions) -> None:
    now = utc_now()
    with settings.signer() as (vault, signer):
        chosen = vault.chosen(SERVER, options["days"], now)
        out = options["out"] or vault.folder / "issued"
        path, certificate = renew_server(vault, name, chosen, signer, out=out, now=now)
        facts = certificate_facts(certificate, vault.ledger.entry(f"{certificate.serial_number:x}"), now)
    if options["as_json"]:
        paths = {"certificate_path": str(path), "key_path": None}
        print_json({"certificate": facts, **paths, "resumed": False, "handed_back": False})
        return
    click.echo(f"Wrote {path}, for the key that {name} has.")
    click.echo("\n".join(short(facts)))
    click.echo("Next: give it to clients as a pin, spot-mirror mirrors set --next, before the mirror shows it.")


def _taken_up(certified: Certified) -> dict[str, bool]:
    return {"resumed": certified.resumed, "handed_back": certified.handed_back}


COMMANDS = (issue,)
