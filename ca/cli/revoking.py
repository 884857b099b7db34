"""`spot-ca revoke`: an identity with all that came of it, or one certificate alone; and the CRL that says so."""

import sys
from collections.abc import Sequence
from typing import Unpack

import click
import msgspec
from cryptography.x509 import load_pem_x509_crl

from ca.cli.mirrors import MirrorOptions, Pushed, check_pushed, mirror_options, open_mirrors, push_to, tell_pushed
from ca.cli.options import Settings, dry_run_option, json_option, utc_now
from ca.cli.output import crl_document, print_json
from ca.descent import children
from ca.entry import Entry
from ca.facts import crl_facts, entry_facts
from ca.issue import REASONS, Issuer, Revoked
from ca.operator import Operator
from ca.profiles import ISSUING
from ca.revoking import Going, going, lines, lost_serial
from ca.vault import Vault, open_vault, subject_key


class RevokeOptions(MirrorOptions):
    """How it is revoked, and how that is told."""

    only: bool
    unknown: bool
    reason: str
    yes: bool
    push: bool
    dry_run: bool
    as_json: bool


@click.command(short_help="Revoke an identity, and all that came of it.")
@click.argument("wanted", metavar="SERIAL|NAME|IDENTITY")
@click.option("--only", is_flag=True, help="Revoke that one certificate, and leave its identity and descendants.")
@click.option("--unknown", is_flag=True, help="After a restore: a SERIAL that the ledger has lost, from an audit log.")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified", show_default=True, help="Why.")
@click.option("--yes", is_flag=True, help="Do not ask, also where several certificates are revoked.")
@click.option("--push", is_flag=True, help="Bring the CRL to the mirrors at once, as spot-ca push does.")
@mirror_options
@dry_run_option
@json_option
@click.pass_obj
def revoke(settings: Settings, wanted: str, **options: Unpack[RevokeOptions]) -> None:
    """Revoke an identity, and sign the CRL that says so. It cannot be undone: issue another instead.

    The identity of the certificate goes with all its certificates, and so does everything that was asked for under any
    of them: whoever has a key may have renewed with it. A customer's name takes all installations along. A server's
    certificate goes alone. What waits at a mirror to be signed is refused from then on.

    IDENTITY is spiffe://…, or CUSTOMER/INSTALLATION. On a terminal, you are asked before several certificates go.

    \b
    --json prints:
      dry_run           true or false
      already_revoked   whether there was nothing left to revoke
      certificates      a list of: certificate (as spot-ca show --json), why
                        (itself, same identity, or descends)
      crl               as spot-ca crl --json; null with --dry-run
      pushed            as spot-ca push --json; null without --push
    """
    mirrors = open_mirrors(options) if options["push"] else []
    if options["unknown"]:
        _revoke_unknown(settings, wanted, options, mirrors)
        return
    if options["dry_run"] or (sys.stdin.isatty() and not options["yes"]):
        with open_vault(settings.folder) as vault:
            known = vault.ledger.entries()
        found = going(known, wanted, only=options["only"])
        if options["dry_run"]:
            _tell(found, known, None, None, as_json=options["as_json"])
            return
        _confirm(found)
    with settings.signer() as (vault, signer):
        # Anew: what was asked for while somebody thought about it goes, too.
        found = going(vault.ledger.entries(), wanted, only=options["only"])
        vault.ledger.revoke([one.entry.serial for one in found], utc_now(), options["reason"])
        crl, path = sign_crl(vault, ISSUING.name, signer), vault.crl_path(ISSUING.name)
        known = vault.ledger.entries()
    pushed = push_to(mirrors, path) if options["push"] else None
    _tell(found, known, crl, pushed, as_json=options["as_json"])
    check_pushed(pushed or ())


def _revoke_unknown(settings: Settings, wanted: str, options: RevokeOptions, mirrors: Sequence[Operator]) -> None:
    """Revoke by its number what the ledger has lost."""
    with open_vault(settings.folder) as vault:
        serial = lost_serial(vault.ledger.entries(), wanted)
    if options["dry_run"]:
        _tell_unknown(serial, None, None, as_json=options["as_json"])
        return
    with settings.signer() as (vault, signer):
        issuer_key = subject_key(vault.certificate(ISSUING.name))
        lost = [Revoked(serial, utc_now(), options["reason"])]
        vault.ledger.take_over(issuer_key, forgotten=(), lost=lost)
        crl, path = sign_crl(vault, ISSUING.name, signer), vault.crl_path(ISSUING.name)
    pushed = push_to(mirrors, path) if options["push"] else None
    _tell_unknown(serial, crl, pushed, as_json=options["as_json"])
    check_pushed(pushed or ())


def _tell_unknown(
    serial: int, crl: dict[str, object] | None, pushed: Sequence[Pushed] | None, *, as_json: bool
) -> None:
    if as_json:
        flags = {"dry_run": crl is None, "already_revoked": False}
        print_json({**flags, "certificates": [], "crl": crl, "pushed": pushed})
        return
    if crl is None:
        click.echo(f"Nothing was changed. Without --dry-run, {serial:x} would be revoked, and the CRL signed.")
        return
    click.echo(f"Revoked {serial:x}, which the ledger does not know.")
    _tell_next(crl, pushed)


def _tell_next(crl: dict[str, object], pushed: Sequence[Pushed] | None) -> None:
    tell_pushed(pushed or ())
    if pushed is None:
        click.echo(f"Next: bring {crl['path']} to the mirrors, or run spot-ca push.")


def sign_crl(vault: Vault, authority: str, signer: Issuer) -> dict[str, object]:
    """Sign the CRL of `root` or `issuing` anew; what is told of it.

    Raises:
        IssueError, VaultError, OSError: as `Vault.sign_crl`.
    """
    now = utc_now()
    path = vault.sign_crl(authority, signer, now)
    facts = crl_facts(load_pem_x509_crl(path.read_bytes()), now)
    return crl_document(path, msgspec.structs.replace(facts, believed=True))


def _confirm(found: Sequence[Going]) -> None:
    if len(found) > 1:
        click.echo("\n".join(lines(found)), err=True)
        click.confirm(f"Revoke these {len(found)} certificates? It cannot be undone.", abort=True, err=True)


def _tell(
    found: Sequence[Going],
    known: Sequence[Entry],
    crl: dict[str, object] | None,
    pushed: Sequence[Pushed] | None,
    *,
    as_json: bool,
) -> None:
    """What was, or with no CRL would be, revoked. `known`: the ledger as it is by now."""
    already = all(one.entry.revoked_at is not None for one in found)
    if as_json:
        below, by_now = children(known), {entry.serial: entry for entry in known}
        told = [
            {
                "certificate": entry_facts(by_now[one.entry.serial], utc_now(), below.get(one.entry.serial, ())),
                "why": one.why,
            }
            for one in found
        ]
        print_json(
            {"dry_run": crl is None, "already_revoked": already, "certificates": told, "crl": crl, "pushed": pushed}
        )
        return
    for one in found if already else ():
        when = f"{one.entry.revoked_at:%Y-%m-%d} ({one.entry.reason})"
        click.echo(f"{_named(one.entry)} was revoked on {when}, and that stays.")
    if len(found) > 1:
        click.echo("\n".join(lines(found)))
    what = _named(found[0].entry) if len(found) == 1 else f"these {len(found)} certificates"
    if crl is None:
        click.echo(f"Nothing was changed. Without --dry-run, {what} would be revoked, and the CRL signed.")
        return
    click.echo("Signed the CRL again." if already else f"Revoked {what}.")
    _tell_next(crl, pushed)


def _named(entry: Entry) -> str:
    return f"{entry.serial} ({entry.profile} {entry.name})"


COMMANDS = (revoke,)
