"""spot site-approve, site-key: the site's own list of the releases that it allows, and the key that signs it."""

import os
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spot_client.cli.options import Command, json_option
from spot_client.cli.session import Session
from spot_client.errors import RefusedLocally
from spot_client.wire import names

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from spot_client.decide.site import Approved, SiteList
    from spot_client.site import Pen
    from spot_client.wire.index import Index, Release

_FILE = click.Path(path_type=Path, dir_okay=False)
_passphrase_file = click.option("--passphrase-file", type=_FILE, help="Its first line is the passphrase of the key.")


@click.command("site-approve", cls=Command, short_help="Allow releases at this site, or show which are.")
@click.argument("component", required=False)
@click.argument("versions", metavar="[VERSION]...", nargs=-1)
@click.option("--all-offered", is_flag=True, help="All versions that are on offer.")
@click.option("--remove", is_flag=True, help="Take them off the list. Needs no network.")
@click.option("--list", "show", is_flag=True, help="Only show the list. Needs no network.")
@click.option("--platform", metavar="PLATFORM", help="For this platform; else for this machine's, or off for all.")
@click.option("--out", type=_FILE, help="This list; else the one that spot.toml names.")
@click.option("--key", type=_FILE, help="Sign with this private key of the site.")
@_passphrase_file
@json_option
@click.pass_obj
def site_approve(
    session: Session,
    component: str | None,
    versions: tuple[str, ...],
    *,
    all_offered: bool,
    remove: bool,
    show: bool,
    platform: str | None,
    out: Path | None,
    key: Path | None,
    passphrase_file: Path | None,
) -> None:
    """Put VERSIONs of COMPONENT (PRODUCT/COMPONENT) on this site's list.

    They are looked up in the vendor's signed catalogue, in the channel of this installation, and the list says what
    content was signed for them. Where spot.toml names it as 'site_list', nothing else comes into use.
    """
    from spot_client.platforms import here
    from spot_client.site import Pen, Site, approve, read, strike

    asked = [show and not remove, bool(versions), all_offered and not remove]
    if asked.count(True) != 1 or show == bool(component):
        raise click.UsageError("Give COMPONENT and VERSIONs, COMPONENT and --all-offered, or only --list.")
    paths, settings = session.open()
    site = Site(paths, settings)
    path = _path(out or site.path)
    if component is None:
        _show(session, read(path, site.public_key()), path)
        return
    names.split_component(component)
    wanted = {_version(version) for version in versions}
    if platform is not None:
        names.check_platform(platform)
    pen = Pen(site, path, None if key is None else _private(key, passphrase_file))
    if remove:
        with session.found().lock():
            _change(session, pen, lambda approved: strike(approved, component, wanted, platform))
    else:
        with session.at_work() as opened:
            index = opened.offers.index(component)
            found = _offered(index, wanted, channel=settings.channel, platform=platform or here())
            _change(session, pen, lambda approved: approve(approved, component, found))


@click.command("site-key", cls=Command, short_help="Make the key that signs this site's list.")
@click.argument("file", type=_FILE)
@click.option("--unencrypted", is_flag=True, help="Without a passphrase: whoever reads the file can sign.")
@_passphrase_file
@click.pass_obj
def site_key(session: Session, file: Path, *, unencrypted: bool, passphrase_file: Path | None) -> None:
    """Make a key for this site: the private one in FILE, the public one in FILE.pub.

    Keep FILE where releases are approved, and nowhere else. FILE.pub goes to every installation, whose spot.toml names
    it as 'site_key': then a list that is not signed with FILE allows nothing.
    """
    from ca.files import PRIVATE, PUBLIC
    from ca.keys import SALT_BYTES
    from spot_client import durable
    from spot_client import site_key as keys

    public = file.with_name(f"{file.name}.pub")
    for path in (file, public):
        if os.path.lexists(path):
            raise RefusedLocally("file-exists", f"{path} is there already: choose another name, or move it away.")
    passphrase = "" if unencrypted else _passphrase(passphrase_file, new=True)
    key = keys.new()
    private = keys.sealed_pem(key, passphrase, secrets.token_bytes(SALT_BYTES)) if passphrase else keys.plain_pem(key)
    durable.write(public, keys.public_pem(key.public_key()), mode=PUBLIC)
    durable.write(file, private, mode=PRIVATE)
    session.answer(f"The private key is in {file}, the public one in {public}.")


def _path(path: Path | None) -> Path:
    if path is None:
        raise click.UsageError("Which list? Name one with --out, or as 'site_list' in spot.toml.")
    return path


def _offered(index: "Index", wanted: set[str], *, channel: str, platform: str) -> "list[Release]":
    """The releases of these versions, or of all, that are on offer."""
    from spot_client.decide.site import offered

    found = offered(index, channel=channel, platform=platform)
    chosen = [release for release in found if not wanted or release.version in wanted]
    missing = sorted(wanted - {release.version for release in chosen})
    if missing or not chosen:
        component = f"{index.product}/{index.component}"
        what = f"{component} {', '.join(missing)}".rstrip()
        raise RefusedLocally(
            "not-on-offer",
            f"{what} is not on offer in {channel} for {platform}, and nothing was written: "
            f"'spot changes {component} --from 0' shows what is on offer here.",
        )
    return chosen


def _change(session: Session, pen: "Pen", edit: "Callable[[Sequence[Approved]], Sequence[Approved]]") -> None:

    listed, changed = pen.change(edit)
    signed, number = "signed" if listed.signature else "not signed", len(listed.approved)
    session.answer(
        f"{pen.path} is now version {listed.version}, {signed}: {number} release{'s' * (number != 1)}."
        if changed
        else f"Nothing to do: {pen.path} is version {listed.version}, and says so already."
    )
    session.document(_shape(listed, str(pen.path)))


def _show(session: Session, listed: "SiteList", path: Path) -> None:
    from spot_client.wording import table

    rows = [(one.component, one.version, one.platform, one.manifest[:16]) for one in listed.approved]
    if rows:
        session.answer(table(("COMPONENT", "VERSION", "PLATFORM", "MANIFEST"), rows))
    else:
        session.report.say("Nothing is on the list: 'spot site-approve COMPONENT VERSION' puts a release there.")
    session.document(_shape(listed, str(path)))


def _version(text: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text))
    except InvalidVersion as error:
        raise RefusedLocally("bad-name", f"{error}: write a version like 1.40.1.") from error


def _private(file: Path, passphrase_file: Path | None) -> "Ed25519PrivateKey":
    from spot_client.site_key import read_private

    return read_private(file, lambda: _passphrase(passphrase_file, new=False))


def _passphrase(file: Path | None, *, new: bool) -> str:
    from ca.errors import PassphraseError
    from ca.passphrase import read_passphrase

    try:
        return read_passphrase(
            env="SPOT_SITE_PASSPHRASE",
            file=file,
            prompt="Passphrase of the site's key",
            confirm=new,
            environ=os.environ,
            interactive=sys.stdin.isatty(),
        )
    except PassphraseError as error:
        raise RefusedLocally(error.reason, str(error)) from error


COMMANDS = (site_approve, site_key)


def _shape(found: "SiteList", path: str) -> dict[str, Any]:
    """The site's own list."""
    return {
        "path": path,
        "version": found.version,
        "signed": found.signature is not None,
        "approved": [
            {"component": one.component, "version": one.version, "platform": one.platform, "manifest": one.manifest}
            for one in found.approved
        ],
    }
