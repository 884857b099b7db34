"""The commands `keys ...`: who signs, and what to do when a key is lost or stolen."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import click

from ca import files
from ca.misplaced import Guiding
from mirror import config
from mirror.cli.changing import tell
from mirror.cli.options import config_option
from mirror.cli.output import counted, json_document, table
from mirror.cli.passphrase import passphrase_option, reader
from mirror.cli.signers import online_ring, signer_options, signing
from mirror.cli.store import json_option
from mirror.signing import holders, ring
from mirror.signing.draft import Draft
from mirror.signing.keys import public_line, read_public
from mirror.signing.means import Signing
from mirror.signing.ring import Ring


@click.group(cls=Guiding, short_help="Make, list and replace signing keys.")
def keys() -> None:
    """Signing keys: made where they are used, known here by their public halves, replaced when lost or stolen."""


@keys.command("create", short_help="Make a key of your own.")
@click.argument("name")
@click.option(
    "--keys",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default="my-keys",
    show_default=True,
    metavar="FOLDER",
    help="Where it is put: a disk or stick that is yours alone.",
)
@passphrase_option
def create(*, name: str, folder: Path, passphrase_file: Path | None) -> None:
    """Make a signing key for NAME, a person or a place such as alice or root-1, encrypted with a passphrase.

    FOLDER/NAME.pub is its public half, one line: give that to whoever runs the mirror. The private half never leaves
    FOLDER, and no copy of it exists but those you make. No mirror is needed for this.
    """
    ask = reader(passphrase_file, f"Choose a passphrase for the key {name}", confirm=True)
    found = ring.read_or_new(folder, ask)
    key = found.create(name)
    files.replace(folder / f"{name}.pub", public_line(name, key).encode(), files.PUBLIC)
    click.echo(f"Made {folder / name}.pem, encrypted, and its public half {folder / name}.pub:")
    click.echo(public_line(name, key), nl=False)


@keys.command("add", short_help="Know somebody's public key.")
@click.argument("public", metavar="FILE.pub", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def add(*, public: Path, config_path: Path) -> None:
    """Let the mirror know a public key, so that it can be given a role ('keys replace', 'keys assign')."""
    name, key = read_public(public)
    folder = Path(config.load(config_path).publishing.keys)
    ring.read_or_new(folder, reader(None, f"Passphrase of the keys in {folder}")).add(name, key)
    click.echo(f"{name} is known. It signs for nothing yet.")


@keys.command("list", short_help="List who signs for what.")
@json_option
@config_option
def list_keys(*, as_json: bool, config_path: Path) -> None:
    """List the roles of the catalogue, how many sign for each, and who may; and the keys that are known here.

    \b
    --json: roles (a list of role, threshold, keys), keys (a list of name, public, here: whether the private half is)
    """
    using = signing(config_path)
    found = [*holders.listing(Draft(using))]
    known = [using.ring, *([] if using.online else [online_ring(config.load(config_path))])]
    rows = [(one.name, one.threshold, [_name(known, keyid) for keyid in one.keyids]) for one in found]
    here = {name: (key.public, name in one.held()) for one in known for name, key in one.keys.items()}
    if as_json:
        roles = [{"role": role, "threshold": threshold, "keys": names} for role, threshold, names in rows]
        lines = [{"name": name, "public": public, "here": held} for name, (public, held) in here.items()]
        click.echo(json_document({"roles": roles, "keys": lines}))
        return
    click.echo(
        table(
            ("ROLE", "SIGNATURES", "OF"),
            [(role, f"{count} of {len(names)}", ", ".join(names)) for role, count, names in rows],
        )
    )
    click.echo()
    count = Counter(name for _, _, names in rows for name in names)
    lines_ = [
        (name, "here" if held else "elsewhere", counted(count[name], "role") if count[name] else "nothing", public)
        for name, (public, held) in sorted(here.items())
    ]
    click.echo(table(("KEY", "PRIVATE HALF", "SIGNS FOR", "PUBLIC"), lines_))


@keys.command("replace", short_help="Put a new key in place of one that was lost or stolen.")
@click.argument("old")
@click.argument("new")
@signer_options
@json_option
@config_option
def replace(*, old: str, new: str, as_json: bool, config_path: Path, **signer: Any) -> None:
    """Put the key NEW in place of OLD wherever that signs. NEW is known already ('keys create', 'keys add').

    Everything that OLD could sign for is staged to be signed anew: 'spot-mirror staged' shows it, the other holders
    sign with 'spot-mirror approve'. If OLD signs for releases, new keys for snapshot and timestamp are made, too: only
    they undo it if a thief has signed versions far ahead.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    online = partial(_next_online, using, config_path, signer["passphrase_file"])
    settled = holders.replace(using, old, new, online)
    tell(using, settled, f"{new} is in place of {old}.", as_json=as_json)


@keys.command("rotate", short_help="Make new keys for snapshot and timestamp.")
@signer_options
@json_option
@config_option
def rotate(*, as_json: bool, config_path: Path, **signer: Any) -> None:
    """Make new keys for snapshot and timestamp, in the timer's folder, and stage a root that names them.

    The holders of the root sign it with 'spot-mirror approve'; from then on the running timer uses the new ones. Do
    this when the timer's host may have been somebody else's, and once in a while anyway. Keys of people are replaced
    one by one: 'keys create', 'keys add', 'keys replace'.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    settled = holders.rotate(using, partial(_next_online, using, config_path, signer["passphrase_file"]))
    tell(using, settled, "There are new keys for snapshot and timestamp.", as_json=as_json)


@keys.command("assign", short_help="Say who signs for a role.")
@click.argument("role")
@click.argument("names", metavar="KEY...", nargs=-1, required=True)
@click.option("--threshold", type=click.IntRange(1, 16), required=True, help="How many of them have to sign.")
@signer_options
@json_option
@config_option
def assign(
    *, role: str, names: tuple[str, ...], threshold: int, as_json: bool, config_path: Path, **signer: Any
) -> None:
    """Let these KEYs sign for ROLE, of whom --threshold have to: a product, root, targets, halts, house, ...

    It is staged; the holders of what changes sign with 'spot-mirror approve'.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    settled = holders.assign(using, role, threshold, names)
    tell(using, settled, f"{role}: {threshold} of {', '.join(names)}.", as_json=as_json)


def _next_online(using: Signing, config_path: Path, passphrase_file: Path | None) -> dict[str, str]:
    """Make the next keys of snapshot and timestamp; their names by role."""
    there = using.online or online_ring(config.load(config_path), passphrase_file, new=True)
    found = holders.next_names(there, using.ring)
    for name in found.values():
        using.ring.add(name, there.create(name).public)
    return found


def _name(known: list[Ring], keyid: str) -> str:
    return next((name for one in known if (name := one.name(keyid))), f"key {keyid[:12]}")


COMMANDS: tuple[click.Command, ...] = (keys,)
