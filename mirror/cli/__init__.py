"""spot-mirror: the command line of the vendor's side. Composes the rooms of `mirror`; every rule lives in them."""

import sys
from pathlib import Path

import click

from ca.errors import CaError, PassphraseError, RevocationError, TlsError
from ca.misplaced import Guiding
from mirror import errors
from mirror.cli import (
    approving,
    backups,
    changing,
    checking,
    customers,
    keyring,
    licences,
    mirrors,
    offline,
    papers,
    publishing,
    scrubbing,
    serving,
    thin_snapshots,
    timer,
)
from mirror.cli.options import program_config_option
from spot_client import __version__
from spot_client.wire.errors import WireError

_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (PassphraseError, 4),
    (errors.ConfigError, 5),
    (errors.ServeError, 5),
    (TlsError, 5),
    (RevocationError, 5),
    (errors.StoreFault, 6),
    (errors.CatalogueFault, 6),
    (errors.BlobFault, 6),
    (errors.MemoryFault, 1),
    (errors.Busy, 7),
    (errors.SigningError, 8),
    (errors.BackupError, 3),
    (errors.MirrorError, 3),
    (WireError, 3),
    (CaError, 3),
    (OSError, 1),
)

_OF_THE_SYSTEM: tuple[tuple[type[Exception], frozenset[str]], ...] = (
    (errors.StoreFault, frozenset({"no-permission"})),
    (errors.PublishError, frozenset({"io", "not-a-folder"})),
)

EPILOG = """\b
Exit codes:
  0  done
  1  the system refused: disk full, no permission, ...
  2  the command line is wrong
  3  refused: the input cannot be used as asked
  4  the passphrase is missing or wrong
  5  the configuration cannot be used, or a certificate, revocation list or address that it names
  6  records, catalogue or blobs are damaged or locked
  7  another process is publishing
  8  signing keys are missing, damaged, or not the catalogue's
  9  check found something to mend, or release show a damaged release
"""


@click.group(cls=Guiding, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="spot-mirror")
@program_config_option
def cli(config_path: Path) -> None:
    """Publish releases, license customers, serve them, and read thin snapshots."""


for room in (
    publishing,
    approving,
    changing,
    keyring,
    papers,
    timer,
    mirrors,
    offline,
    backups,
    customers,
    licences,
    serving,
    checking,
    scrubbing,
    thin_snapshots,
):
    for command in room.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run the command line; an expected failure is one sentence and an exit code, never a traceback."""
    try:
        cli()
    except tuple(kind for kind, _ in _EXIT_CODES) as error:
        click.echo(f"spot-mirror: {_sentence(error)}", err=True)
        sys.exit(_exit_code(error))


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        step = "Put that right, and run it again."
        if isinstance(error, PermissionError):
            step = "Run it as the user to whom that belongs: 'runuser -u spot-mirror -- spot-mirror ...'."
        return f"{error.filename or 'The system'}: {error.strerror}. {step}"
    return str(error)


def _exit_code(error: Exception) -> int:
    reason = getattr(error, "reason", None)
    if reason == "no-space" or any(isinstance(error, kind) and reason in found for kind, found in _OF_THE_SYSTEM):
        return 1
    return next(code for kind, code in _EXIT_CODES if isinstance(error, kind))
