"""spot-ca: the commands of the certificate authority. Here files, clock, terminal and environment meet."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ca import listing
from ca.bundle import encode
from ca.errors import CaError, IssueError, PassphraseError, VaultError
from ca.files import PRIVATE, write_new
from ca.handout import Handout, hand_out
from ca.identity import Role, check_realm, make
from ca.issue import CRL_LIFETIME, REASONS, Issuer
from ca.packing import pack, read_vendor_side
from ca.passphrase import read_passphrase
from ca.profiles import CLIENT, ISSUING, ROOT, SERVER, KeyType
from ca.subjects import Hosts
from ca.vault import AUTHORITIES, Vault, check_vault, create_vault, open_vault

_ENV_NAME = "SPOT_CA_PASSPHRASE"
_EPILOG = f"""\b
The passphrase of the keys comes from --passphrase-file, from the environment
variable {_ENV_NAME}, or from a prompt; never from the command line.

\b
Exit codes:
  0  done
  1  the machine failed (disk full, no permission)
  2  the command line is wrong
  3  what was asked for, or a file that was given, is refused
  4  the passphrase is missing or wrong
  5  the CA's folder is missing, damaged, in use, or already there
"""


class _Settings(msgspec.Struct, frozen=True):
    folder: Path
    passphrase_file: Path | None

    def passphrase(self, *, confirm: bool = False) -> str:
        return read_passphrase(
            env=_ENV_NAME,
            file=self.passphrase_file,
            prompt="Passphrase for the CA's keys",
            confirm=confirm,
            environ=os.environ,
            interactive=sys.stdin.isatty(),
        )

    @contextmanager
    def signer(self) -> Iterator[tuple[Vault, Issuer]]:
        """The open vault and its issuing CA, ready to sign."""
        check_vault(self.folder)
        passphrase = self.passphrase()
        with open_vault(self.folder) as vault:
            yield vault, vault.unlock(ISSUING.name, passphrase)


class _Commands(click.Group):
    """Turns what went wrong into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CaError as error:
            code, sentence = _exit_code(error), str(error)
        except BrokenPipeError:  # nobody reads any more: click ends quietly
            raise
        except OSError as error:
            code = 1
            sentence = f"{error.filename or 'The system'}: {error.strerror}. Put that right, and run it again."
        click.echo(f"Error: {sentence}", err=True)
        raise click.exceptions.Exit(code)


def _exit_code(error: CaError) -> int:
    match error:
        case PassphraseError():
            return 4
        case VaultError():
            return 5
        case _:
            return 3


_key_type = click.option(
    "--key-type",
    type=click.Choice([key_type.value for key_type in KeyType]),
    default=KeyType.RSA2048.value,
    show_default=True,
    help="Kind of key to make.",
)
_out = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the certificate and its key.  [default: issued/ in the CA's folder]",
)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dir",
    "folder",
    envvar="SPOT_CA_DIR",
    show_envvar=True,
    default="certs/ca",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The CA's folder.",
)
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help="File whose first line is the passphrase of the CA's keys; readable by its owner only.",
)
@click.pass_context
def cli(context: click.Context, folder: Path, passphrase_file: Path | None) -> None:
    """The private certificate authority of a build realm: who may talk to whom."""
    context.obj = _Settings(folder.absolute(), passphrase_file)


@cli.command()
@click.option("--realm", required=True, help="A DNS name of yours, such as build.example.com; all identities carry it.")
@_key_type
@click.pass_obj
def init(settings: _Settings, realm: str, key_type: str) -> None:
    """Make the CA: a root, an issuing CA, and the first CRL of each."""
    check_realm(realm)
    passphrase = settings.passphrase(confirm=True)
    create_vault(settings.folder, realm, KeyType(key_type), passphrase, _now())
    with open_vault(settings.folder) as vault:
        click.echo(f"Made the CA of {realm} in {settings.folder}.")
        for authority in AUTHORITIES:
            certificate = vault.certificate(authority)
            click.echo(f"  {authority:8} until {certificate.not_valid_after_utc:%Y-%m-%d}")
            click.echo(f"           SHA-256 {certificate.fingerprint(hashes.SHA256()).hex(':')}")
    click.echo(f"Mirrors take issuing.crt and crl/issuing.crl, which is good for {CRL_LIFETIME.days} days.")
    click.echo("Next: move root.key to offline storage, back the folder up, then run spot-ca issue server NAME.")


@cli.group()
def issue() -> None:
    """Issue a certificate, with a new key."""


@issue.command()
@click.argument("name")
@click.option("--dns", multiple=True, help="DNS name that clients connect to; repeatable.")
@click.option("--ip", "addresses", multiple=True, help="IP address that clients connect to; repeatable.")
@_out
@_key_type
@click.pass_obj
def server(
    settings: _Settings, *, name: str, dns: tuple[str, ...], addresses: tuple[str, ...], out: Path | None, key_type: str
) -> None:
    """Issue a server certificate for the mirror NAME: NAME.crt (the leaf, which SPOT pins) and NAME.key.

    The key is not encrypted, since a server starts unattended; only its owner may read it.
    """
    with settings.signer() as (vault, signer):
        subject = Hosts(name, dns, addresses)
        _tell(hand_out(vault, subject, SERVER, signer, out=_folder(vault, out), key_type=KeyType(key_type), now=_now()))


@issue.command()
@click.argument("customer")
@_out
@_key_type
@click.pass_obj
def client(settings: _Settings, customer: str, out: Path | None, key_type: str) -> None:
    """Issue a client certificate for CUSTOMER: CUSTOMER.crt and CUSTOMER.key.

    The key is not encrypted, since an installed product starts unattended; only its owner may read it.
    """
    with settings.signer() as (vault, signer):
        subject = make(vault.realm, Role.CLIENT, customer)
        _tell(hand_out(vault, subject, CLIENT, signer, out=_folder(vault, out), key_type=KeyType(key_type), now=_now()))


@cli.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those expired or revoked, and the CAs.")
@click.pass_obj
def list_certificates(settings: _Settings, everything: bool) -> None:
    """List the certificates that were issued."""
    with open_vault(settings.folder) as vault:
        entries = vault.ledger.entries()
    click.echo("\n".join(listing.table(entries, _now(), everything=everything)))


@cli.command()
@click.argument("certificate", metavar="SERIAL|NAME")
@click.option("--reason", type=click.Choice(list(REASONS)), default="unspecified", show_default=True, help="Why.")
@click.pass_obj
def revoke(settings: _Settings, certificate: str, reason: str) -> None:
    """Revoke a certificate, and sign the CRL that says so."""
    with settings.signer() as (vault, signer):
        entry = listing.find_leaf(vault.ledger.entries(), certificate)
        vault.ledger.revoke(entry.serial, _now(), reason)
        path = vault.sign_crl(ISSUING.name, signer, _now())
        what = f"{entry.serial} ({entry.profile} {entry.name})"
        if entry.revoked_at is None:
            click.echo(f"Revoked {what}.")
        else:
            click.echo(f"{what} was revoked on {entry.revoked_at:%Y-%m-%d} ({entry.reason}), and that stays.")
            click.echo("Signed the CRL again.")
        click.echo(f"Next: bring {path} to the mirrors.")


@cli.command()
@click.pass_obj
def crl(settings: _Settings) -> None:
    """Sign the CRLs anew: at least once in their lifetime, and after a revocation that was interrupted."""
    check_vault(settings.folder)
    passphrase = settings.passphrase()
    with open_vault(settings.folder) as vault:
        path = vault.sign_crl(ISSUING.name, vault.unlock(ISSUING.name, passphrase), _now())
        click.echo(f"Signed {path}, good for {CRL_LIFETIME.days} days.")
        if vault.has_key(ROOT.name):
            root_path = vault.sign_crl(ROOT.name, vault.unlock(ROOT.name, passphrase), _now())
            click.echo(f"Signed {root_path}, good for {CRL_LIFETIME.days} days.")
        else:
            click.echo("The root's CRL was not renewed: root.key is not here. Bring it back for that once in a while.")
        click.echo(f"Next: bring {path} to the mirrors.")


@cli.command()
@click.argument("customer")
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    required=True,
    metavar="URL=PIN[,PIN…]",
    help="A mirror, https://HOST[:PORT], and the files of the server certificates that it may show; repeatable.",
)
@click.option("--catalogue-root", required=True, type=click.Path(path_type=Path), help="The TUF root.json.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@_key_type
@click.pass_obj
def bundle(
    settings: _Settings, *, customer: str, mirrors: tuple[str, ...], catalogue_root: Path, out: Path, key_type: str
) -> None:
    """Issue a client certificate for CUSTOMER and write the bundle that an installation package carries.

    The bundle holds a private key: only its owner may read it.
    """
    side = read_vendor_side(mirrors, catalogue_root)
    if os.path.lexists(out):
        raise IssueError("exists", f"{out} is there already: move it away, or name another --out.")
    if not out.parent.is_dir():
        raise IssueError("missing-folder", f"There is no folder {out.parent}: make it first.")
    with settings.signer() as (vault, signer):
        identity = make(vault.realm, Role.CLIENT, customer)
        document = pack(vault, identity, side, signer, key_type=KeyType(key_type), now=_now())
        write_new(out, encode(document), PRIVATE)
    click.echo(f"Wrote {out} for {customer}. It holds a private key: put it into the installation package only.")
    _tell_certificate(x509.load_pem_x509_certificate(document.client_certificate.encode()))


def main() -> None:
    """Entry point of `spot-ca`."""
    cli()


def _tell(handout: Handout) -> None:
    if handout.resumed:
        click.echo(f"Took up the key {handout.key_path}, which was there without a certificate.")
    click.echo(f"Wrote {handout.certificate_path} and {handout.key_path}.")
    _tell_certificate(handout.certificate)


def _tell_certificate(certificate: x509.Certificate) -> None:
    click.echo(f"  serial  {certificate.serial_number:x}")
    click.echo(f"  until   {certificate.not_valid_after_utc:%Y-%m-%d}")


def _folder(vault: Vault, out: Path | None) -> Path:
    return vault.folder / "issued" if out is None else out


def _now() -> datetime:
    return datetime.now(UTC)
