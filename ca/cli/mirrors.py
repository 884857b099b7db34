"""The options that say which mirrors are called, and by which certificate; and bringing a CRL to all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict

import click
import msgspec

from ca.calls import ListHeld
from ca.cli.options import F
from ca.errors import CaError, OperatorError
from ca.files import read_file
from ca.operator import Operator, open_operator
from ca.revocation import MAX_CRL


class MirrorOptions(TypedDict):
    """As `mirror_options` passes them on."""

    mirrors: tuple[str, ...]
    certificate: Path | None
    key: Path | None
    pin: Path | None


class Pushed(msgspec.Struct, frozen=True):
    """What came of a CRL at one mirror: it binds there, or there is an error."""

    mirror: str
    held: ListHeld | None = None
    reason: str | None = None
    sentence: str = ""


def mirror_options(command: F) -> F:
    """The options of `MirrorOptions`."""
    for option in reversed(
        [
            click.option(
                "--mirror",
                "mirrors",
                metavar="URL",
                multiple=True,
                envvar="SPOT_CA_MIRRORS",
                show_envvar=True,
                help="A mirror's operator listener, https://HOST:PORT; repeatable, or with blanks between.",
            ),
            _file("--certificate", "SPOT_CA_OPERATOR_CERTIFICATE", "Our certificate, of spot-ca issue ca-operator."),
            _file("--key", "SPOT_CA_OPERATOR_KEY", "Its key, readable by its owner only."),
            _file(
                "--pin",
                "SPOT_CA_OPERATOR_PIN",
                "Server certificates, PEM: the only ones that a mirror may show. One file for all.",
            ),
        ]
    ):
        command = option(command)
    return command


def open_mirrors(options: MirrorOptions) -> list[Operator]:
    """The mirrors that were named; nothing is connected yet.

    Raises:
        OperatorError: reason `no-mirror` or `no-credentials`: something was not named; or `bad-url`.
        TlsError: a file cannot be used.
    """
    certificate, key, pin = options["certificate"], options["key"], options["pin"]
    if not options["mirrors"]:
        raise OperatorError("no-mirror", "No mirror is named: add --mirror URL, or set SPOT_CA_MIRRORS.")
    if certificate is None or key is None or pin is None:
        raise OperatorError(
            "no-credentials",
            "To call a mirror, name --certificate, --key and --pin, or set SPOT_CA_OPERATOR_CERTIFICATE, "
            "SPOT_CA_OPERATOR_KEY and SPOT_CA_OPERATOR_PIN.",
        )
    return [open_operator(url, certificate=certificate, key=key, pins=pin) for url in options["mirrors"]]


def push_to(mirrors: Sequence[Operator], crl: Path) -> list[Pushed]:
    """Bring a CRL to all of them; one that fails keeps it from no other.

    Raises:
        OperatorError: the file cannot be read.
    """
    raw = read_file(crl, max_bytes=MAX_CRL, refusal=OperatorError)
    return [_push(mirror, raw) for mirror in mirrors]


def tell_pushed(pushed: Sequence[Pushed]) -> None:
    """A line for each."""
    for one in pushed:
        if one.held is None:
            click.echo(f"Error: {one.sentence}", err=True)
        else:
            held = one.held
            click.echo(f"{one.mirror} holds to CRL {held.number} ({held.revoked} revoked), until {held.next_update}.")


def check_pushed(pushed: Sequence[Pushed]) -> None:
    """Refuse to call it done where a mirror did not take it.

    Raises:
        OperatorError: reason `not-pushed`.
    """
    missing = [one.mirror for one in pushed if one.held is None]
    if missing:
        raise OperatorError(
            "not-pushed",
            f"{len(missing)} of {len(pushed)} mirrors did not take the CRL: {', '.join(missing)}. Put that right, then "
            "run spot-ca push.",
        )


def _push(mirror: Operator, raw: bytes) -> Pushed:
    try:
        return Pushed(mirror.url, mirror.push(raw))
    except CaError as error:
        return Pushed(mirror.url, None, error.reason, str(error))


def _file(name: str, variable: str, text: str) -> Callable[[F], F]:
    kind = click.Path(path_type=Path)
    return click.option(name, type=kind, metavar="FILE", envvar=variable, show_envvar=True, help=text)
