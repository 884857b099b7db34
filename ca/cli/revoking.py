"""`spot-ca revoke`: an identity with all that came of it, or one certificate alone; and the CRL that says so."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Unpack

import click
import msgspec
from cryptography.x509 import load_pem_x509_crl

from ca.authorities import listing_cas
from ca.cli.mirrors import MirrorOptions, mirror_options, open_mirrors
from ca.cli.options import Settings, dry_run_option, json_option, utc_now
from ca.cli.output import crl_document, print_json
from ca.cli.pushing import Pushed, check_pushed, lists_of, push_to, tell_pushed
from ca.descent import children
from ca.entry import Entry
from ca.errors import PassphraseError, VaultError
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
      crl               as spot-ca crl --json, of the issuing CA in use; null with
                        --dry-run
      others            a list of the same, of others that issued some of them
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
            _tell(found, known, (), None, as_json=options["as_json"])
            return
        _confirm(found)
    with settings.unlocking() as (vault, unlock):
        in_use = unlock(ISSUING.name)
        # Anew: what was asked for while somebody thought about it goes, too.
        found = going(vault.ledger.entries(), wanted, only=options["only"])
        vault.ledger.revoke([one.entry.serial for one in found], utc_now(), options["reason"])
        # That of the CA in use always, and last: whoever watches its file learns of something to bring to the mirrors.
        names = [*_other_issuers(vault, found), ISSUING.name]
        signed, failed = sign_crls(vault, lambda name: in_use if name == ISSUING.name else unlock(name), names)
        known, brought = vault.ledger.entries(), lists_of(vault, utc_now())
    pushed = push_to(mirrors, brought) if options["push"] else None
    _tell(found, known, [*signed.values()], pushed, as_json=options["as_json"])
    check_pushed(pushed or ())
    if failed:
        raise failed[0]


def _other_issuers(vault: Vault, found: Sequence[Going]) -> list[str]:
    """The issuing CAs that issued some of it and are no longer in use, but have lists."""
    keys = {one.entry.issuer_key for one in found}
    others = listing_cas(vault, utc_now())[:-1]
    return [name for name in others if subject_key(vault.certificate(name)) in keys]


def _revoke_unknown(settings: Settings, wanted: str, options: RevokeOptions, mirrors: Sequence[Operator]) -> None:
    """Revoke by its number what the ledger has lost."""
    with open_vault(settings.folder) as vault:
        serial = lost_serial(vault.ledger.entries(), wanted)
    if options["dry_run"]:
        _tell_unknown(serial, (), None, as_json=options["as_json"])
        return
    with settings.unlocking() as (vault, unlock):
        # Which CA issued it, nobody knows any more: all say so.
        listing = listing_cas(vault, utc_now())
        lost = [Revoked(serial, utc_now(), options["reason"])]
        unlock(ISSUING.name)
        for name in listing:
            vault.ledger.take_over(subject_key(vault.certificate(name)), forgotten=(), lost=lost)
        signed, failed = sign_crls(vault, unlock, listing)
        brought = lists_of(vault, utc_now())
    pushed = push_to(mirrors, brought) if options["push"] else None
    _tell_unknown(serial, [*signed.values()], pushed, as_json=options["as_json"])
    check_pushed(pushed or ())
    if failed:
        raise failed[0]


def _tell_unknown(
    serial: int, crls: Sequence[dict[str, object]], pushed: Sequence[Pushed] | None, *, as_json: bool
) -> None:
    if as_json:
        flags = {"dry_run": not crls, "already_revoked": False}
        print_json({**flags, "certificates": [], **_signed(crls), "pushed": pushed})
        return
    if not crls:
        click.echo(f"Nothing was changed. Without --dry-run, {serial:x} would be revoked, and the CRL signed.")
        return
    click.echo(f"Revoked {serial:x}, which the ledger does not know.")
    _tell_next(crls, pushed)


def _signed(crls: Sequence[dict[str, object]]) -> dict[str, object]:
    """How it is told in JSON: that of the CA in use, which comes last, and the others."""
    return {"crl": crls[-1] if crls else None, "others": crls[:-1]}


def _tell_next(crls: Sequence[dict[str, object]], pushed: Sequence[Pushed] | None) -> None:
    tell_pushed(pushed or ())
    if pushed is None:
        paths = ", ".join(str(crl["path"]) for crl in reversed(crls))
        click.echo(f"Next: bring {paths} to the mirrors, or run spot-ca push.")


def sign_crls(
    vault: Vault, unlock: Callable[[str], Issuer], names: Iterable[str]
) -> tuple[dict[str, dict[str, object]], list[VaultError]]:
    """Sign the CRLs of these CAs anew: what is told of each, and what failed.

    What fails of another than the issuing CA in use keeps that one, and the rest, from nothing.

    Raises:
        IssueError, VaultError, OSError: as `Vault.sign_crl`.
    """
    signed: dict[str, dict[str, object]] = {}
    failed: list[VaultError] = []
    for name in names:
        try:
            signed[name] = _sign_crl(vault, name, unlock(name))
        except VaultError as error:
            if name == ISSUING.name or isinstance(error, PassphraseError):
                raise
            failed.append(error)
    return signed, failed


def _sign_crl(vault: Vault, authority: str, signer: Issuer) -> dict[str, object]:
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
    crls: Sequence[dict[str, object]],
    pushed: Sequence[Pushed] | None,
    *,
    as_json: bool,
) -> None:
    """What was, or with no CRLs would be, revoked. `known`: the ledger as it is by now; `crls`: in use comes last."""
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
        signed = {"crl": crls[-1] if crls else None, "others": crls[:-1]}
        print_json({"dry_run": not crls, "already_revoked": already, "certificates": told, **signed, "pushed": pushed})
        return
    for one in found if already else ():
        when = f"{one.entry.revoked_at:%Y-%m-%d} ({one.entry.reason})"
        click.echo(f"{_named(one.entry)} was revoked on {when}, and that stays.")
    if len(found) > 1:
        click.echo("\n".join(lines(found)))
    what = _named(found[0].entry) if len(found) == 1 else f"these {len(found)} certificates"
    if not crls:
        click.echo(f"Nothing was changed. Without --dry-run, {what} would be revoked, and the CRL signed.")
        return
    click.echo("Signed the CRL again." if already else f"Revoked {what}.")
    _tell_next(crls, pushed)


def _named(entry: Entry) -> str:
    return f"{entry.serial} ({entry.profile} {entry.name})"


COMMANDS = (revoke,)
