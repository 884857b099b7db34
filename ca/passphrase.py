"""Where a passphrase comes from: a file, the environment, or a person at a terminal; never the command line.

The first of the three that is there counts: a file that was named and cannot be used is an error, not a reason to
look further. The passphrase itself never appears in a message. A file must be its owner's alone, but for a credential
of systemd: its folder is guarded by systemd, which gives a user other than the owner his right by an access list.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from ca.errors import PassphraseError
from ca.files import read_file

MIN_LENGTH: Final = 8
"""Shortest passphrase that may be chosen, in characters. Old ones are taken as they are."""

_MAX_FILE = 4096  # bytes


def read_passphrase(
    *, env: str, file: Path | None, prompt: str, confirm: bool, environ: Mapping[str, str], interactive: bool
) -> str:
    """The passphrase, from `file` (its first line), from `environ[env]`, or asked for on the terminal.

    Args:
        prompt: what to ask a person.
        confirm: a passphrase is being chosen: ask twice, and refuse one under `MIN_LENGTH`.
        interactive: whether there is a terminal to ask at.

    Raises:
        PassphraseError: reason `no-passphrase`, `weak-passphrase`, or one of `ca.files.read_file` (`missing-file`,
            `unreadable-file`, `too-large`, `bad-mode`).
        click.Abort: the person gave up.
    """
    if file is not None:
        credentials = environ.get("CREDENTIALS_DIRECTORY", "")
        passphrase = _first_line(file, private=not credentials.startswith("/") or file.parent != Path(credentials))
    elif env in environ:
        passphrase = environ[env]
    elif interactive:
        passphrase = click.prompt(
            prompt, hide_input=True, confirmation_prompt=confirm, default="", show_default=False, err=True
        )
    else:
        passphrase = ""
    if not passphrase:
        raise PassphraseError(
            "no-passphrase",
            f"There is no passphrase: set {env}, name a file with --passphrase-file, or run this on a terminal.",
        )
    if confirm and len(passphrase) < MIN_LENGTH:
        raise PassphraseError("weak-passphrase", f"The passphrase is too short: use {MIN_LENGTH} characters or more.")
    return passphrase


def _first_line(file: Path, *, private: bool) -> str:
    raw = _piped(file) or read_file(file, max_bytes=_MAX_FILE, refusal=PassphraseError, private=private)
    try:
        return raw.split(b"\n", 1)[0].removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise PassphraseError("unreadable-file", f"{file} is not text in UTF-8.") from error


def _piped(file: Path) -> bytes:
    """What comes out of a pipe, as a shell makes one of `<(pass show spot-ca)`; empty if this is none."""
    if not file.is_fifo():
        return b""
    try:
        with file.open("rb") as pipe:
            return pipe.read(_MAX_FILE)
    except OSError as error:
        raise PassphraseError("unreadable-file", f"{file} cannot be read: {error.strerror}.") from error
