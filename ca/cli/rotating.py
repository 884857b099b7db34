"""`spot-ca rotate`: successors of the issuing CA and of the root, in two steps, so that nobody is locked out."""

from collections.abc import Iterator, Sequence
from typing import Final, Unpack

import click
import msgspec

from ca.authorities import is_former, is_needed, kind_of, last_end, names, successor
from ca.cli.mirrors import MirrorOptions, mirror_options, open_mirrors
from ca.cli.options import Settings, dry_run_option, json_option, utc_now
from ca.cli.output import print_json
from ca.errors import OperatorError
from ca.facts import CertificateFacts, certificate_facts
from ca.listing import state
from ca.misplaced import Guiding
from ca.operator import Operator
from ca.profiles import ISSUING, ROOT, KeyType, key_kind
from ca.succession import activate, check_can_prepare, is_prepared, prepare
from ca.vault import Vault, check_vault, open_vault, subject_key

_MADE: Final = """\b
--json prints:
  dry_run       true or false
  made          whether a successor was made; false if there was one already
  successors    a list of what waits now, as certificates of spot-ca show --json
"""


class ActivateOptions(MirrorOptions):
    """As the command passes them on."""

    unchecked: bool
    dry_run: bool
    as_json: bool


@click.group(cls=Guiding, short_help="Give a CA its successor.")
def rotate() -> None:
    """Give the issuing CA or the root a successor, without locking anybody out.

    First the successor is made, and signs nothing but its revocation list: bring both to every mirror. Then activate
    puts it in the place of the one in use. What that one has signed stays good until mirrors are told otherwise.
    """


_key_type_option = click.option(
    "--key-type",
    type=click.Choice([key_type.value for key_type in KeyType]),
    help="Kind of key to make.  [default: that of the one in use]",
)


@rotate.command("issuing", epilog=_MADE, short_help="Make a successor of the issuing CA.")
@_key_type_option
@dry_run_option
@json_option
@click.pass_obj
def rotate_issuing(settings: Settings, *, key_type: str | None, dry_run: bool, as_json: bool) -> None:
    """Make a successor of the issuing CA: issuing-next.crt, its key, and crl/issuing-next.crl.

    The root signs it: root.key has to be here, and may go away again afterwards. A run that was interrupted is finished
    by the same command. To drop a successor that was not activated, delete its three files.
    """
    _prepare(settings, ISSUING.name, key_type, dry_run=dry_run, as_json=as_json)


@rotate.command("root", epilog=_MADE, short_help="Make a successor of the root.")
@_key_type_option
@dry_run_option
@json_option
@click.pass_obj
def rotate_root(settings: Settings, *, key_type: str | None, dry_run: bool, as_json: bool) -> None:
    """Make a successor of the root, and one of the issuing CA under it: root-next.crt and issuing-next.crt, with keys
    and revocation lists.

    The old root's key is not needed. Mirrors know issuing CAs alone, so for them it is as with rotate issuing. A run
    that was interrupted is finished by the same command.
    """
    _prepare(settings, ROOT.name, key_type, dry_run=dry_run, as_json=as_json)


@rotate.command("activate", short_help="Put the successor in its place.")
@click.option("--unchecked", is_flag=True, help="Do not ask mirrors whether they know it: you have seen that they do.")
@mirror_options
@dry_run_option
@json_option
@click.pass_obj
def rotate_activate(settings: Settings, **options: Unpack[ActivateOptions]) -> None:
    """Let the successor sign all certificates from now on. Mirrors are asked before whether they know it.

    The one in use before keeps lying here, as issuing-KEYID (the start of its key identifier), and signs its own
    revocation list alone, until its key is deleted: spot-ca check tells when nobody needs it any more.

    \b
    --json prints:
      dry_run     true or false
      activated   whether it was put in its place; false if only the rest of an
                  interrupted run was done
      issuing     what is in use now, as certificates of spot-ca show --json
      former      a list of the issuing CAs before: name, certificates (how many
                  are good), until (when the last one ends)
    """
    check_vault(settings.folder)
    mirrors = [] if options["unchecked"] else open_mirrors(options)
    with open_vault(settings.folder, settings.issuing_key) as vault:
        prepared = is_prepared(vault)
        key = subject_key(vault.certificate(successor(ISSUING.name))) if prepared else ""
    for mirror in mirrors if prepared else ():  # the folder is free meanwhile: mirrors may take their time
        _check_knows(mirror, key)
    if options["dry_run"]:
        with open_vault(settings.folder, settings.issuing_key) as vault:
            _tell_activated(vault, activated=prepared, dry_run=True, as_json=options["as_json"])
        return
    with settings.unlocking_with() as (vault, passphrase):
        activated = activate(vault, passphrase, utc_now())
        _tell_activated(vault, activated=activated, dry_run=False, as_json=options["as_json"])


def _prepare(settings: Settings, kind: str, key_type: str | None, *, dry_run: bool, as_json: bool) -> None:
    check_vault(settings.folder)
    with open_vault(settings.folder, settings.issuing_key) as vault:
        check_can_prepare(vault, kind)
        if dry_run:
            _tell_prepared(vault, kind, made=False, dry_run=True, as_json=as_json)
            return
    with settings.unlocking_with() as (vault, passphrase):
        found = key_type or key_kind(vault.certificate(kind).public_key())
        made = prepare(vault, kind, passphrase, utc_now(), key_type=KeyType(found))
        _tell_prepared(vault, kind, made=made, dry_run=False, as_json=as_json)


def _check_knows(mirror: Operator, issuer_key: str) -> None:
    """Refuse to go on while a mirror would not let anybody in with a certificate of the successor."""
    if issuer_key not in {one.issuer_key for one in mirror.lists().lists}:
        raise OperatorError(
            "successor-unknown",
            f"{mirror.url} does not know issuing-next.crt: add it to content.issuing_cas there, and its list to "
            "content.crls, and reload. Nothing was changed.",
        )


def _tell_prepared(vault: Vault, kind: str, *, made: bool, dry_run: bool, as_json: bool) -> None:
    waiting = [name for name in names(vault.folder) if name in (successor(ROOT.name), successor(ISSUING.name))]
    facts = [_facts(vault, name) for name in waiting]
    if as_json:
        print_json({"dry_run": dry_run, "made": made, "successors": facts})
        return
    if dry_run:
        would = (
            "There is a successor already." if is_prepared(vault) else f"A successor of the {kind} CA would be made."
        )
        click.echo(f"Nothing was changed. {would}")
        return
    click.echo("Made what will be in use next:" if made else "What will be in use next was made before:")
    for name, one in zip(waiting, facts, strict=True):
        click.echo(f"  {name:12} until {one.not_after:%Y-%m-%d}")
        click.echo(f"  {'':12} SHA-256 {bytes.fromhex(one.fingerprint).hex(':')}")
    for name in (*waiting, ROOT.name):
        if kind_of(name) == ROOT.name and vault.has_key(name):
            click.echo(f"Take {vault.key_path(name)} offline.")
    paths = f"{vault.folder / 'issuing-next.crt'} and {vault.crl_path(successor(ISSUING.name))}"
    click.echo("It signs nothing yet. Next, at every mirror:")
    click.echo(f"  add {paths}")
    click.echo("  to content.issuing_cas and content.crls, and reload it. Then run spot-ca rotate activate.")


class _Former(msgspec.Struct, frozen=True):
    """An issuing CA that was in use before. certificates: how many of it are good; until: when the last one ends."""

    name: str
    certificates: int
    until: str


def _tell_activated(vault: Vault, *, activated: bool, dry_run: bool, as_json: bool) -> None:
    issuing, before = _facts(vault, ISSUING.name), list(_before(vault))
    if as_json:
        print_json({"dry_run": dry_run, "activated": activated, "issuing": issuing, "former": before})
        return
    if dry_run:
        would = "issuing-next would be put in the place of issuing." if activated else "There is no successor."
        click.echo(f"Nothing was changed. {would}")
        return
    click.echo("Put the successor in its place." if activated else "Did the rest of a run that was interrupted.")
    click.echo(f"issuing.crt signs all certificates from now on, until {issuing.not_after:%Y-%m-%d}.")
    for one in before:
        click.echo(f"Of {one.name}, {one.certificates} certificates are good; the last ends on {one.until}.")
    click.echo("Next: back the CA's folder up. spot-ca check tells who still needs those before.")


def _before(vault: Vault) -> Iterator[_Former]:
    entries, now = vault.ledger.entries(), utc_now()
    for name in names(vault.folder):
        if is_former(name) and kind_of(name) == ISSUING.name:
            key = subject_key(vault.certificate(name))
            end = last_end(entries, key)
            good = sum(one.issuer_key == key and state(one, now) == "valid" for one in entries)
            if is_needed(entries, key, now) and end is not None:
                yield _Former(name, good, f"{end:%Y-%m-%d}")


def _facts(vault: Vault, name: str) -> CertificateFacts:
    certificate = vault.certificate(name)
    entry = vault.ledger.entry(f"{certificate.serial_number:x}")
    facts = certificate_facts(certificate, entry, utc_now())
    return msgspec.structs.replace(facts, file=str(vault.folder / f"{name}.crt"))


COMMANDS: Sequence[click.Command] = (rotate,)
