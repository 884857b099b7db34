"""The CA itself: made once; and its CRLs."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import click
import msgspec
from cryptography.hazmat.primitives import hashes

from ca.authorities import kind_of, listing_cas, names
from ca.cli.options import Settings, json_option, key_type_option, utc_now
from ca.cli.output import print_json
from ca.cli.revoking import sign_crls
from ca.errors import IssueError, RevocationError
from ca.facts import entry_facts
from ca.files import read_file
from ca.founding import create_vault
from ca.identity import check_realm
from ca.lifetimes import MAX_LIFETIMES, parse_lifetimes, template
from ca.profiles import ISSUING, ROOT, KeyType
from ca.published import Taken, take_over
from ca.revocation import MAX_CRL
from ca.vault import AUTHORITIES, Vault, open_vault


@click.command(short_help="Make the CA.")
@click.option("--realm", required=True, help="A DNS name of yours, such as build.example.com; all identities carry it.")
@click.option(
    "--lifetimes",
    "lifetimes_file",
    type=click.Path(path_type=Path),
    help="A lifetimes.toml of yours; without it, one is written that says the defaults.",
)
@key_type_option
@json_option
@click.pass_obj
def init(settings: Settings, *, realm: str, lifetimes_file: Path | None, key_type: str, as_json: bool) -> None:
    """Make the CA: a root, an issuing CA, and the first CRL of each.

    How long certificates and CRLs are good stands in lifetimes.toml in the CA's folder, in days, and may be changed
    there at any time for what is issued from then on. What init itself signs goes by --lifetimes.

    \b
    --json prints:
      folder          of the CA
      realm           as given
      root, issuing   as certificates of spot-ca show --json
    """
    check_realm(realm)
    lifetimes = template().encode()
    if lifetimes_file is not None:
        lifetimes = read_file(lifetimes_file, max_bytes=MAX_LIFETIMES, refusal=IssueError)
        parse_lifetimes(lifetimes, source=str(lifetimes_file), refusal=IssueError)
    passphrase = settings.passphrase(confirm=True)
    create_vault(
        settings.folder, realm, utc_now(), key_type=KeyType(key_type), passphrase=passphrase, lifetimes=lifetimes
    )
    with open_vault(settings.folder) as vault:
        if as_json:
            made = {entry.name: entry_facts(entry, utc_now()) for entry in vault.ledger.entries()}
            files = {name: str(settings.folder / f"{name}.crt") for name in made}
            told = {name: msgspec.structs.replace(facts, file=files[name]) for name, facts in made.items()}
            print_json({"folder": str(settings.folder), "realm": realm, **told})
        else:
            _tell_made(settings.folder, realm, vault)


def _tell_made(folder: Path, realm: str, vault: Vault) -> None:
    click.echo(f"Made the CA of {realm} in {folder}.")
    for authority in AUTHORITIES:
        certificate = vault.certificate(authority)
        click.echo(f"  {authority:8} until {certificate.not_valid_after_utc:%Y-%m-%d}")
        click.echo(f"           SHA-256 {certificate.fingerprint(hashes.SHA256()).hex(':')}")
    days = vault.lifetimes.crl(ISSUING.name).days
    click.echo(f"Mirrors take issuing.crt and crl/issuing.crl, which is good for {days} days.")
    click.echo("Next: move root.key to offline storage, back the folder up, then run spot-ca issue server NAME.")


@click.command(short_help="Sign the revocation lists anew.")
@click.option(
    "--take-over",
    "newest",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="After a restore: the newest CRL that mirrors have. What it revokes stays revoked. Repeatable.",
)
@json_option
@click.pass_obj
def crl(settings: Settings, newest: tuple[Path, ...], as_json: bool) -> None:
    """Sign the CRLs anew: at least once in their lifetime, and after a revocation that was interrupted.

    Also those of a successor (spot-ca rotate), and of issuing CAs before whose keys are here. The root's CRL is signed
    only while root.key is here.

    \b
    --json prints:
      issuing   path, issuer, issuer_key, number, this_update, next_update,
                days_left, revoked (how many), believed
      root      the same; null if root.key is not here
      others    a list of the same, of successors and of CAs before
    """
    raws = [read_file(path, max_bytes=MAX_CRL, refusal=RevocationError) for path in newest]
    with settings.unlocking() as (vault, unlock):
        listing = listing_cas(vault, utc_now())
        for raw in raws:
            taken = _take_over(vault, listing, raw)
            what = f"Took over CRL {taken.number}: {len(taken.forgotten)} that the ledger had not as revoked"
            click.echo(f"{what}, {len(taken.lost)} that it had lost.", err=as_json)
        roots = [name for name in names(vault.folder) if kind_of(name) == ROOT.name and vault.has_key(name)]
        signed, failed = sign_crls(vault, unlock, [*roots, *listing])
        if as_json:
            others = [document for name, document in signed.items() if name not in AUTHORITIES]
            print_json({ISSUING.name: signed[ISSUING.name], ROOT.name: signed.get(ROOT.name), "others": others})
        else:
            _tell_signed(vault, signed, [name for name in reversed(listing) if name in signed])
    if failed:
        raise failed[0]


def _take_over(vault: Vault, listing: Iterable[str], raw: bytes) -> Taken:
    """Take over a CRL of any issuing CA whose list mirrors still need."""
    for name in listing:
        try:
            return take_over(vault.ledger, raw, vault.certificate(name), vault.crl_path(name))
        except RevocationError as error:
            if error.reason != "wrong-issuer" or name == ISSUING.name:  # which comes last
                raise
    raise AssertionError("the issuing CA in use is always among them")


def _tell_signed(vault: Vault, signed: Mapping[str, object], listing: Iterable[str]) -> None:
    for name in signed:
        click.echo(f"Signed {vault.crl_path(name)}, good for {vault.lifetimes.crl(name).days} days.")
    if ROOT.name not in signed:
        click.echo("The root's CRL was not renewed: root.key is not here. Bring it back for that once in a while.")
    click.echo(f"Next: bring {', '.join(str(vault.crl_path(name)) for name in listing)} to the mirrors.")


COMMANDS = (init, crl)
