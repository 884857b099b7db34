"""What only reads: `list`, `show`, `check`. None of it needs the passphrase."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
import msgspec
from cryptography import x509

from ca import listing
from ca.authorities import kind_of, names
from ca.cli.options import Settings, json_option, utc_now
from ca.cli.output import bundle_lines, certificate_lines, crl_lines, print_json
from ca.descent import children
from ca.entry import Entry, certificate_of
from ca.errors import IssueError, VaultError
from ca.facts import CertificateFacts, entry_facts
from ca.files import read_file
from ca.finding import worst
from ca.handout import file_stem
from ca.inspection import inspect
from ca.profiles import PROFILES
from ca.reading import UNREADABLE
from ca.showing import MAX_SHOWN, Known, Shown, read_shown
from ca.vault import MAX_CERTIFICATE, open_vault

FOUND_SOMETHING: Final = 6


@click.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those expired or revoked, and the CAs.")
@click.option("--profile", type=click.Choice([profile.name for profile in PROFILES]), help="Only these.")
@click.option("--name", help="Only those of this customer, server, mirror or user.")
@click.option("--expiring", metavar="DAYS", type=click.IntRange(0, 7300), help="Only those that end within DAYS.")
@json_option
@click.pass_obj
def list_certificates(
    settings: Settings, *, everything: bool, profile: str | None, name: str | None, expiring: int | None, as_json: bool
) -> None:
    """List the certificates that were issued, oldest first.

    --json prints a list with, for each, what spot-ca show --json prints.
    """
    wanted = listing.Filter(everything=everything, profile=profile, name=name, expiring=expiring)
    now = utc_now()
    with open_vault(settings.folder) as vault:
        known = vault.ledger.entries()
    entries = listing.select(known, wanted, now)
    if as_json:
        print_json(_facts(entries, known, settings.folder))
    elif entries:
        click.echo("\n".join(listing.table(entries, now)))
    else:
        click.echo("There is no such certificate. See all with spot-ca list --all; make one with spot-ca issue.")


@click.command(short_help="Show a certificate, a CRL or a bundle.")
@click.argument("what", metavar="SERIAL|NAME|FILE")
@json_option
@click.pass_obj
def show(settings: Settings, what: str, as_json: bool) -> None:
    """Show all about a certificate, a CRL or a bundle; never a key.

    Something with a dot or a slash is a FILE: certificates, a CRL (PEM or DER), or a bundle. Anything else is looked up
    in the ledger first, by serial number, then by name: all certificates of that name are shown. A FILE can be shown
    without a CA at hand, too; what is revoked, then, is not known.

    \b
    --json prints:
      certificates   a list of: serial, profile, name, identity, names, subject,
                     issuer, issuer_key, not_before, not_after, days_left, state
                     (valid, expired, revoked, not-yet-valid), revoked, reason,
                     issued, key, strong, fingerprint, file, parent (serial of
                     the certificate under which it was asked for), children
                     (serials), uses and used (of one for enrolment: how many
                     installations may enrol with it, and how many have)
      crl            null, or: issuer, issuer_key, number, this_update,
                     next_update, days_left, revoked (how many), believed
      bundle         null, or: format, min_spot, realm, customer,
                     client_certificate, mirrors (url, pins),
                     catalogue_root_version, catalogue_root_expires
    """
    shown = _from_ledger(settings.folder, what) or _from_file(settings.folder, Path(what))
    if as_json:
        print_json(shown)
        return
    for certificate in shown.certificates:
        click.echo("\n".join(certificate_lines(certificate)))
    if shown.crl is not None:
        click.echo("\n".join(crl_lines(shown.crl)))
    if shown.bundle is not None:
        click.echo("\n".join(bundle_lines(shown.bundle)))


@click.command(short_help="Look the CA over.")
@click.option("--quiet", is_flag=True, help="Print warnings and problems only; nothing, if there are none.")
@json_option
@click.pass_obj
def check(settings: Settings, quiet: bool, as_json: bool) -> None:
    """Look the CA over: what ends when, file modes, keys, CRLs, and what lies in issued/. Changes nothing.

    A warning comes when a third of a lifetime is left. Exits with 6 if there is any warning or problem, so that cron
    can tell somebody: spot-ca check --quiet says nothing while all is well.

    \b
    --json prints:
      worst      ok, advice, warning or problem
      findings   a list of: severity, code (good, bad-mode, expired,
                 expires-soon, …), what, next
    """
    found = inspect(settings.folder, utc_now(), settings.issuing_key)
    told = [finding for finding in found if finding.matters or not quiet]
    if as_json:
        print_json({"worst": worst(found), "findings": told})
    elif told:
        click.echo("\n".join(finding.text for finding in told))
    if any(finding.matters for finding in found):
        raise click.exceptions.Exit(FOUND_SOMETHING)


def _from_ledger(folder: Path, what: str) -> Shown | None:
    if "." in what or "/" in what:
        return None
    if Path(what).is_file() and not (folder / "issuing.crt").exists():
        return None
    with open_vault(folder) as vault:
        known = vault.ledger.entries()
    found = listing.find(known, what)
    if found:
        return Shown(certificates=_facts(found, known, folder))
    if not Path(what).is_file():
        raise IssueError("not-found", f"There is no certificate {what!r}, nor such a file: see spot-ca list --all.")
    return None


def _from_file(folder: Path, path: Path) -> Shown:
    raw = read_file(path, max_bytes=MAX_SHOWN, refusal=IssueError)
    known = Known({}, (), {})
    if (folder / "issuing.crt").exists():
        with open_vault(folder) as vault:
            entries = vault.ledger.entries()
            authorities = tuple(vault.certificate(authority) for authority in names(folder))
            known = Known({entry.fingerprint: entry for entry in entries}, authorities, children(entries))
    return read_shown(raw, str(path), known, utc_now())


def _facts(entries: Iterable[Entry], known: Iterable[Entry], folder: Path) -> tuple[CertificateFacts, ...]:
    below, now = children(known), utc_now()
    return tuple(
        msgspec.structs.replace(entry_facts(entry, now, below.get(entry.serial, ())), file=_file(entry, folder))
        for entry in entries
    )


def _file(entry: Entry, folder: Path) -> str | None:
    if listing.is_authority(entry):
        stems = [name for name in names(folder) if kind_of(name) == entry.name]
    else:
        stems = [f"issued/{file_stem(entry.name, entry.profile)}"]
    paths = (folder / f"{stem}.crt" for stem in stems)
    return next((str(path) for path in paths if _holds(path, entry)), None)


def _holds(path: Path, entry: Entry) -> bool:
    if not path.is_file():
        return False
    try:
        pem = read_file(path, max_bytes=MAX_CERTIFICATE, refusal=VaultError)
        return x509.load_pem_x509_certificate(pem) == certificate_of(entry)
    except (VaultError, *UNREADABLE):  # what lies there is another matter: spot-ca check tells
        return False


COMMANDS = (list_certificates, show, check)
