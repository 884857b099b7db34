"""spot-ca: the commands of the certificate authority. Here files, clock, terminal and environment meet."""

from pathlib import Path
from typing import Any

import click

from ca.cli import authority, bundling, issuing, keeping, operating, reading, revoking, rotating
from ca.cli.options import ENV_NAME, Settings
from ca.errors import CaError, PassphraseError, VaultError
from ca.key_uri import key_file
from ca.misplaced import Guiding

_EXIT_CODES = """\b
Exit codes:
  0  done
  1  the machine failed (disk full, no permission), or you stopped it
  2  the command line is wrong
  3  what was asked for, or a file that was given, is refused
  4  the passphrase is missing or wrong
  5  the CA's folder is missing, damaged, in use, or already there
  6  check found a warning or a problem, or requests wait for a person
"""

_PASSPHRASE = f"""\b
The passphrase of the keys comes from --passphrase-file, from the environment
variable {ENV_NAME}, or from a prompt; never from the command line.
"""


class _Commands(Guiding):
    """Turns what went wrong into one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CaError as error:
            code, sentence = _exit_code(error), str(error)
        except BrokenPipeError:  # nobody reads any more: click ends quietly
            raise
        except OSError as error:
            code, sentence = 1, _of_the_system(error)
        except (click.Abort, KeyboardInterrupt):
            code, sentence = 1, "Stopped by you. What was finished stays; run the same command again for the rest."
        click.echo(f"Error: {sentence}", err=True)
        raise click.exceptions.Exit(code)


def _of_the_system(error: OSError) -> str:
    step = "Put that right, and run it again."
    if isinstance(error, PermissionError):
        step = "Run spot-ca as the user to whom that belongs, or as root."
    return f"{error.filename or 'The system'}: {error.strerror}. {step}"


def _exit_code(error: CaError) -> int:
    match error:
        case PassphraseError():
            return 4
        case VaultError():
            return 5
        case _:
            return 3


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spot-mirror", prog_name="spot-ca")
@click.option(
    "--dir",
    "folder",
    envvar="SPOT_CA_DIR",
    show_envvar=True,
    default="certs/ca",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The CA's folder.",
)
@click.option(
    "--passphrase-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="File whose first line is the passphrase of the CA's keys; readable by its owner only.",
)
@click.option(
    "--issuing-key",
    metavar="URI",
    envvar="SPOT_CA_ISSUING_KEY",
    show_envvar=True,
    help="Where the sealed key of the issuing CA lies, as file:/PATH, if not in the CA's folder.",
)
@click.pass_context
def cli(context: click.Context, folder: Path, passphrase_file: Path | None, issuing_key: str | None) -> None:
    """The private certificate authority of a build realm: who may talk to whom."""
    elsewhere = key_file(issuing_key) if issuing_key is not None else None
    context.obj = Settings(folder.absolute(), passphrase_file, elsewhere)


def main() -> None:
    """Entry point of `spot-ca`."""
    cli()


def _explain(command: click.Command) -> None:
    """Every help ends with the exit codes."""
    command.epilog = "\n\n".join(filter(None, [command.epilog, _EXIT_CODES]))
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        _explain(inner)


cli.epilog = _PASSPHRASE
for _room in (authority, issuing, reading, revoking, bundling, operating, keeping, rotating):
    for _command in _room.COMMANDS:
        cli.add_command(_command)
_explain(cli)
