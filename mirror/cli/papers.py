"""The commands `signing ...`: keys that are on another machine sign by files that are carried to and fro."""

import sys
import tempfile
from pathlib import Path

import click

from ca import files
from ca.misplaced import Guiding
from mirror.cli.approving import show
from mirror.cli.options import config_option
from mirror.cli.passphrase import passphrase_option, reader
from mirror.cli.progress import progress_bar
from mirror.cli.signers import say_settled, signing
from mirror.errors import SigningError
from mirror.publishing import approve
from mirror.signing import papers, ring
from mirror.signing.papers import Unpacked
from mirror.signing.ring import Ring
from spot_client.wire.digest import sha256_hex

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("signing", cls=Guiding, short_help="Sign on another machine, by files carried to and fro.")
def signing_group() -> None:
    """Sign where the keys are: 'export' here, 'sign' there, 'import' here."""


@signing_group.command("export", short_help="Write what waits for signatures to a file.")
@click.argument("file", type=_FILE)
@config_option
def export(*, file: Path, config_path: Path) -> None:
    """Write to FILE what waits for signatures, with the catalogue that it follows on. Nothing in it is secret."""
    using = signing(config_path)
    raw = papers.to_sign(using.place, using.ring)
    files.replace(file, raw, files.PUBLIC)
    click.echo(f"{file} is to be signed: spot-mirror signing sign {file} SIGNATURES --keys FOLDER")


@signing_group.command("sign", short_help="Sign such a file where your key is.")
@click.argument("file", type=_FILE)
@click.argument("signatures", type=_FILE)
@click.option(
    "--keys",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="my-keys",
    show_default=True,
    metavar="FOLDER",
    help="The folder with your key.",
)
@click.option("--as", "who", metavar="NAME", help="Which key signs, if the folder has several.")
@click.option(
    "--root",
    type=_FILE,
    metavar="FILE",
    help="The catalogue's first root that you keep: the file has to begin with the same one.",
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask (only a terminal is asked).")
@passphrase_option
def sign(
    *,
    file: Path,
    signatures: Path,
    folder: Path,
    who: str | None,
    root: Path | None,
    yes: bool,
    passphrase_file: Path | None,
) -> None:
    """Look at what FILE would change, and write your signatures to SIGNATURES. Needs no network and no mirror.

    Beside the name of each key stands the beginning of its public half, as in its file NAME.pub.
    """
    keys = ring.read(folder, reader(passphrase_file, f"Passphrase of the keys in {folder}"))
    with tempfile.TemporaryDirectory() as scratch:
        carried = papers.unpack(papers.read(file), Path(scratch))
        first = papers.first_root(carried)
        if root is not None and first != papers.read(root):
            raise SigningError("other-root", f"{file} is of another catalogue than the one that begins with {root}.")
        if root is None and first is not None:
            click.echo(
                "Nobody here has checked whose catalogue this is: it begins with the root of SHA-256 "
                f"{sha256_hex(first)}. Keep a copy of the first root, and name it with --root.",
                err=True,
            )
        name = who or _only(keys.held(), folder)
        keys.hear(carried.names)
        keys.signer(name)
        asks = _show(keys, name, carried) and not yes and sys.stdin.isatty()
        if asks and not click.confirm(f"Sign this as {name}?", err=True):
            click.echo("Nothing was signed.")
            return
        raw = papers.sign(keys, name, carried.known, carried.waiting)
    files.replace(signatures, raw, files.PUBLIC)
    click.echo(f"Signed by {name}. Bring {signatures} back: spot-mirror signing import {signatures}")


@signing_group.command("import", short_help="Take signatures that were made elsewhere.")
@click.argument("signatures", type=_FILE)
@config_option
def import_(*, signatures: Path, config_path: Path) -> None:
    """Take the SIGNATURES that came back. Each is verified, and each release that is new is read and hashed again."""
    using = signing(config_path)
    with progress_bar() as progress:
        roles, settled = approve.take(using, papers.read(signatures), progress)
    click.echo(f"Taken: signatures for {', '.join(roles)}.")
    say_settled(using.ring, settled)


def _show(keys: Ring, name: str, carried: Unpacked) -> bool:
    """Print what the key `name` would sign, and of what else only the roles; whether there is anything."""
    keyid = keys.key(name).verifier.keyid
    found = approve.proposals(carried.place, keys, carried.known, carried.waiting, None)
    mine = [one for one in found if keyid in one.wait.keyids]
    for one in mine:
        show(one, keys)
    others = ", ".join(one.role for one in found if one not in mine)
    if mine and others:
        click.echo(f"Not for {name} to sign, and not shown: {others}.", err=True)
    return bool(mine)


def _only(held: tuple[str, ...], folder: Path) -> str:
    if len(held) != 1:
        raise SigningError("which-key", f"{folder} has {len(held)} keys ({', '.join(held)}): say which, by --as.")
    return held[0]


COMMANDS: tuple[click.Command, ...] = (signing_group,)
