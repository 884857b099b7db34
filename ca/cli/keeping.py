"""`spot-ca backup`, `restore` and `adopt`: the CA's folder as one encrypted file, and back after its host was lost."""

import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from cryptography import x509

from ca.adopting import adopt
from ca.authorities import kind_of, names
from ca.backup import Contents, back_up, restore, verify
from ca.bundle import MAX_BUNDLE, decode
from ca.cli.options import F, Settings, json_option, utc_now
from ca.cli.output import print_json
from ca.errors import IssueError, RevocationError
from ca.facts import entry_facts
from ca.files import read_file
from ca.passphrase import read_passphrase
from ca.profiles import ISSUING
from ca.published import Taken
from ca.reading import UNREADABLE
from ca.revocation import MAX_CRL
from ca.vault import check_vault, open_vault

_ENV: Final = "SPOT_CA_BACKUP_PASSPHRASE"


def _passphrase_option(command: F) -> F:
    return click.option(
        "--backup-passphrase-file",
        "own_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"File whose first line is a passphrase of the backup's own; or {_ENV}.  [default: the CA's passphrase]",
    )(command)


@click.command("backup", short_help="Back the CA up, encrypted.")
@click.argument("out", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@click.option("--issued-keys", is_flag=True, help="Also the keys in issued/, which lie there in clear.")
@_passphrase_option
@json_option
@click.pass_obj
def backup_command(settings: Settings, *, out: Path, issued_keys: bool, own_file: Path | None, as_json: bool) -> None:
    """Write all of the CA's folder to one encrypted FILE, or to a new file with the time in its name in FOLDER.

    It holds the ledger as it is at one moment, certificates, CRLs, lifetimes.toml, and the CA's keys as they lie; the
    root's only if it is here. What was written is read back before it counts. With a passphrase of its own, that of the
    CA's keys is not needed here, only where it is restored.

    \b
    --json prints:
      path      of the backup
      made      when
      realm     of the CA
      files     their names
    """
    check_vault(settings.folder)
    path, now = (out / _name(utc_now()) if out.is_dir() else out), utc_now()
    own = _own(own_file, choosing=True)
    passphrase = own or settings.passphrase()
    with open_vault(settings.folder, settings.issuing_key) as vault:
        if own is None:
            vault.unlock(ISSUING.name, passphrase)  # one that was mistyped would open the backup never again
        made = back_up(vault, path, passphrase, now, issued_keys=issued_keys)
    if as_json:
        print_json({"path": str(path), **_document(made)})
        return
    click.echo(f"Wrote {path} with {len(made.files)} files.")
    for name in {"root.key", "issuing.key"} - {member.name for member in made.files}:
        click.echo(f"{name} is not here, and so not in it: its copies lie elsewhere.")
    click.echo("Next: bring it to another place. Once in a while, try it: spot-ca restore FILE --verify.")


@click.command("restore", short_help="Restore the CA from a backup.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--crl", "newest", metavar="FILE", type=click.Path(path_type=Path), help="The newest CRL of the mirrors.")
@click.option("--no-crl", is_flag=True, help="Nothing was revoked since the backup was made.")
@click.option("--verify", "only_verify", is_flag=True, help="Only read the backup to its end; restore nothing.")
@_passphrase_option
@json_option
@click.pass_obj
def restore_command(
    settings: Settings,
    *,
    file: Path,
    newest: Path | None,
    no_crl: bool,
    only_verify: bool,
    own_file: Path | None,
    as_json: bool,
) -> None:
    """Restore the CA from a backup FILE, into a folder that is not there yet. All of it is checked before.

    Mirrors have the newest CRL (issuing.crl). What it revokes stays revoked, and the next one gets a higher number.
    What was issued after the backup goes on working, but this CA does not know it: it cannot be listed or renewed until
    spot-ca adopt has taken it in, and is revoked with spot-ca revoke SERIAL --unknown.

    \b
    --json prints:
      folder               of the CA; null with --verify
      made, realm, files   as spot-ca backup --json
      crl                  null, or: number, forgotten (serials that the backup
                           had not as revoked), lost (those that it did not
                           know)
    """
    if sum((newest is not None, no_crl, only_verify)) != 1:
        raise click.UsageError("Give one of --crl FILE, --no-crl and --verify.")
    own = _own(own_file, choosing=False)
    if only_verify:
        contents, taken = verify(file, own or settings.passphrase()), None
    else:
        crl = None if newest is None else read_file(newest, max_bytes=MAX_CRL, refusal=RevocationError)
        passphrase = settings.passphrase()
        contents, taken = restore(
            file,
            settings.folder,
            backup_passphrase=own or passphrase,
            passphrase=passphrase,
            crl=crl,
            issuing_key=settings.issuing_key,
        )
    if as_json:
        folder = None if only_verify else str(settings.folder)
        print_json({"folder": folder, **_document(contents), "crl": taken})
    elif only_verify:
        click.echo(f"{file} is whole: the CA of {contents.realm}, of {contents.made}, {len(contents.files)} files.")
    else:
        _tell(settings.folder, contents, taken)


@click.command("adopt", short_help="Take certificates that the ledger has lost in again.")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def adopt_command(settings: Settings, files: tuple[Path, ...], as_json: bool) -> None:
    """After a restore: take certificates that this CA issued since the backup into the ledger again.

    FILE holds certificates, PEM, or is a bundle. Their signature proves whose they are, so no passphrase is needed.
    What was revoked meanwhile stays so. What they came of is lost; nobody can enrol with one for enrolment any more.

    --json prints a list of those that were taken in, each as spot-ca show --json.
    """
    certificates = [certificate for file in files for certificate in _certificates(file)]
    with open_vault(settings.folder) as vault:
        in_use = vault.certificate(ISSUING.name)
        cas = [vault.certificate(name) for name in names(vault.folder) if kind_of(name) == ISSUING.name]
        issuers = {one.subject: one for one in cas}
        found = [adopt(vault.ledger, one, issuers.get(one.issuer, in_use)) for one in certificates]
    taken = [entry for entry in found if entry is not None]
    if as_json:
        print_json([entry_facts(entry, utc_now()) for entry in taken])
        return
    for entry in taken:
        click.echo(f"Took in {entry.serial} ({entry.profile} {entry.name}).")
    if len(taken) < len(found):
        click.echo(f"The ledger knew {len(found) - len(taken)} of them already.")


def _certificates(path: Path) -> list[x509.Certificate]:
    raw = read_file(path, max_bytes=MAX_BUNDLE, refusal=IssueError)
    try:
        if raw.lstrip().startswith(b"{"):
            raw = decode(raw).client_certificate.encode()
        return x509.load_pem_x509_certificates(raw)
    except UNREADABLE as error:
        raise IssueError("not-ours", f"{path} holds no certificates: name PEM files, or bundles.") from error


def _own(file: Path | None, *, choosing: bool) -> str | None:
    """The passphrase of the backup's own; None if none was named."""
    environ: Mapping[str, str] = os.environ
    if file is None and _ENV not in environ:
        return None
    interactive = sys.stdin.isatty()
    prompt = "Passphrase of the backup"
    return read_passphrase(
        env=_ENV, file=file, prompt=prompt, confirm=choosing, environ=environ, interactive=interactive
    )


def _name(now: datetime) -> str:
    return f"spot-ca-{now:%Y%m%dT%H%M%SZ}.backup"


def _document(contents: Contents) -> dict[str, object]:
    return {"made": contents.made, "realm": contents.realm, "files": [member.name for member in contents.files]}


def _tell(folder: Path, contents: Contents, taken: Taken | None) -> None:
    click.echo(f"Restored the CA of {contents.realm} to {folder}, as it was at {contents.made}.")
    if taken is not None:
        click.echo(
            f"Of CRL {taken.number}: {len(taken.forgotten)} that the backup had not as revoked, "
            f"and {len(taken.lost)} that it did not know, are revoked as before."
        )
    click.echo(
        "What was issued since is not in the ledger: it works on. Take in what you have of it: spot-ca adopt FILE."
    )
    others = [name for name in names(folder) if kind_of(name) == ISSUING.name and name != ISSUING.name]
    if others:
        click.echo(f"Take over the mirrors' newest lists of {', '.join(others)}, too: spot-ca crl --take-over FILE.")
    click.echo(f"Next: run spot-ca check, then spot-ca crl, and bring {folder / 'crl/issuing.crl'} to the mirrors.")


COMMANDS = (backup_command, restore_command, adopt_command)
