"""How the commands that sign get the passphrase of the signing keys: only when one is needed."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ca.passphrase import read_passphrase

F = TypeVar("F", bound=Callable[..., Any])
_ENV = "SPOT_MIRROR_PASSPHRASE"


def passphrase_option(command: F) -> F:
    """The option `--passphrase-file FILE`, passed on as `passphrase_file: Path | None`."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"Read the passphrase of the signing keys from FILE, not from {_ENV} or the terminal.",
        metavar="FILE",
    )(command)


def reader(file: Path | None, prompt: str, *, confirm: bool = False) -> Callable[[], str]:
    """What asks for the passphrase, at the moment it is called. Raises PassphraseError then."""

    def ask() -> str:
        return read_passphrase(
            env=_ENV,
            file=file,
            prompt=prompt,
            confirm=confirm,
            environ=os.environ,
            interactive=sys.stdin.isatty(),
        )

    return ask
