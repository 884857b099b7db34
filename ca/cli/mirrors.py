"""The options that say which mirrors are called, and by which certificate."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import click

from ca.cli.options import F
from ca.errors import OperatorError
from ca.operator import Operator, open_operator


class MirrorOptions(TypedDict):
    """As `mirror_options` passes them on."""

    mirrors: tuple[str, ...]
    certificate: Path | None
    key: Path | None
    pin: Path | None


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


def _file(name: str, variable: str, text: str) -> Callable[[F], F]:
    kind = click.Path(path_type=Path)
    return click.option(name, type=kind, metavar="FILE", envvar=variable, show_envvar=True, help=text)
