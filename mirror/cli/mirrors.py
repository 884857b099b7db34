"""The commands `mirrors ...`: the official mirrors and their pins, as clients learn of them."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from ca.bundle import MirrorPins, mirror_problems
from ca.errors import TlsError
from ca.files import read_file
from ca.misplaced import Guiding
from ca.pins import MAX_PINS, names_host, read_pins
from mirror.cli.changing import tell
from mirror.cli.options import config_option
from mirror.cli.output import json_document
from mirror.cli.signers import signer_options, signing
from mirror.cli.store import json_option
from mirror.errors import PublishError
from mirror.publishing import changes
from mirror.signing import proposal
from mirror.signing.draft import Draft
from mirror.signing.means import Signing
from spot_client.wire import trust
from spot_client.wire.trust import OfficialMirror, Trust

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(cls=Guiding, short_help="Say which mirrors there are, and their pins.")
def mirrors() -> None:
    """The official mirrors: clients take URLs and pins over from the signed catalogue, and from nowhere else.

    Give clients the next certificate as a pin before the server shows it, and a backup pin whose key lies offline.
    """


@mirrors.command("list", short_help="List the official mirrors.")
@json_option
@config_option
def list_mirrors(*, as_json: bool, config_path: Path) -> None:
    """List the official mirrors and their pins, those that wait for signatures among them.

    \b
    --json: a list of url, current, next, backup (PEM or null)
    """
    known = _known(signing(config_path))
    if as_json:
        lines = [{"url": one.url, "current": one.current, "next": one.next, "backup": one.backup} for one in known]
        click.echo(json_document(lines))
        return
    for one in known:
        click.echo(one.url)
        for use, pem in (("current", one.current), ("next", one.next), ("backup", one.backup)):
            click.echo(f"  {use:8} {proposal.certificate(pem) if pem else '-'}")
    if not known:
        click.echo("No mirrors are signed for: clients use those of their bundle.")


@mirrors.command("set", short_help="Add a mirror, or change its pins.")
@click.argument("url")
@click.option("--current", type=_FILE, required=True, metavar="FILE", help="The certificate that it shows now (PEM).")
@click.option("--next", "next_", type=_FILE, metavar="FILE", help="The certificate that it will show next.")
@click.option("--backup", type=_FILE, metavar="FILE", help="One whose key lies offline, for when others are lost.")
@click.option("--first", is_flag=True, help="Clients ask this mirror first.")
@signer_options
@json_option
@config_option
def set_mirror(
    *,
    url: str,
    current: Path,
    next_: Path | None,
    backup: Path | None,
    first: bool,
    as_json: bool,
    config_path: Path,
    **signer: Any,
) -> None:
    """Make URL (https://HOST[:PORT]) an official mirror with these pins, in place of those it had.

    The people of the role house sign it, like a release.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    pins = {use: _pin(url, path) for use, path in (("current", current), ("next", next_), ("backup", backup)) if path}
    if len({*pins.values()}) < len(pins):
        raise PublishError("one-pin-twice", "One certificate is given twice: each pin is for a key of its own.")
    mirror = OfficialMirror(url, **pins)
    using = signing(config_path, **signer)
    others = [one for one in _known(using) if one.url != url]
    _change(using, [mirror, *others] if first else [*others, mirror], f"{url} is an official mirror.", as_json=as_json)


@mirrors.command("remove", short_help="Take a mirror off the list.")
@click.argument("url")
@signer_options
@json_option
@config_option
def remove(*, url: str, as_json: bool, config_path: Path, **signer: Any) -> None:
    """Take URL off the list of official mirrors: clients ask it no more.

    \b
    --json: signed (roles), visible (whether clients see it now), catalogue_version (or null),
      waits (a list of role, missing, signed_by, may_sign)
    """
    using = signing(config_path, **signer)
    known = _known(using)
    left = [one for one in known if one.url != url]
    if len(left) == len(known):
        raise PublishError("no-mirror", f"{url} is no official mirror: 'spot-mirror mirrors list' shows which are.")
    if not left:
        raise PublishError("last-mirror", f"{url} is the only official mirror: add another one first.")
    _change(using, left, f"{url} is no official mirror any more.", as_json=as_json)


def _known(using: Signing) -> tuple[OfficialMirror, ...]:
    found = Draft(using).trust()
    return found.mirrors if found else ()


def _change(using: Signing, wanted: list[OfficialMirror], sentence: str, *, as_json: bool) -> None:
    problem = next(mirror_problems([MirrorPins(one.url, one.pins) for one in wanted]), None)
    if problem is not None:
        raise PublishError("bad-url", f"Clients would refuse this list: {problem}.")
    settled = changes.mirrors(using, Trust(mirrors=tuple(wanted)))
    tell(using, settled, sentence, trust.ROLE, as_json=as_json)


def _pin(url: str, path: Path) -> str:
    """A certificate that clients may pin for a mirror. Raises TlsError, PublishError."""
    host = _host(url)
    if host is None or not url.startswith("https://"):
        raise PublishError("bad-url", f"{url!r} is not the URL of a mirror: write https://HOST or https://HOST:PORT.")
    raw = read_file(path, max_bytes=MAX_PINS, refusal=TlsError)
    pins = read_pins(raw)
    if len(pins) != 1:
        raise TlsError("no-pins", f"{path} holds {len(pins)} certificates: give the one that the server shows.")
    if not names_host(pins[0], host):
        raise TlsError("wrong-host", f"The certificate in {path} is not for {host}: clients would refuse it.")
    return raw.decode()


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # no URL, or a port that cannot be
        return None
    return parts.hostname if port != 0 else None


COMMANDS: tuple[click.Command, ...] = (mirrors,)
