"""spot: the command line of the client. Composes; every rule lives in the rooms it calls.

    session, options    one run: what it was asked for, how it speaks      failures   errors → sentence and exit code
    enrolment, renewal, changing, reading, listing, upkeep, site    the commands    logs    the log file, and --verbose

With --json, standard output is one JSON document (`spot_client.shapes`), whatever happens: a command that fails before
it has an answer prints `{"error": {"reason", "message", "exit_code"}}`, and the sentence on standard error all the
same. Only a wrong command line (exit code 2) prints no document.
"""

import errno
import io
import sys
from pathlib import Path
from typing import Any

import click

from spot_client import __version__
from spot_client.cli import changing, enrolment, listing, reading, renewal, site, upkeep
from spot_client.cli.failures import EXPECTED, explain, interrupted
from spot_client.cli.options import common
from spot_client.cli.session import Session

EPILOG = """\b
Exit codes:
   0  done, or nothing to do
   2  the command line is wrong
   3  not trusted: what was presented is not what the vendor signed or pinned
   4  not reachable: try again later
   5  not licensed, or no such component
   6  refused locally: SPOT will not do what was asked
   7  busy: another SPOT is at work on this installation
   8  this machine: disk full, no permission, damaged state
   9  not enrolled, or the credentials cannot be used
  10  nothing to do (only with --exit-code)
  11  out of date: a certificate or the catalogue has expired, or the clock is wrong
  12  the mirror refused: revoked, expired, ...
  13  damage was found, and is still there
  14  waiting: the vendor has not signed this installation's certificate yet
 130  stopped by Ctrl-C
"""


class Group(click.Group):
    """All commands; an expected failure is one sentence and an exit code, never a traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run what was asked for."""
        session = context.ensure_object(Session)
        context.call_on_close(session.stop)
        try:
            return super().invoke(context)
        except (KeyboardInterrupt, click.Abort):  # click turns Ctrl-C at a question into the second
            failure = interrupted(changing=session.changing)
        except EXPECTED as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:  # whoever read our output has gone
                raise
            failure = explain(error)
        session.fail(failure)
        sys.exit(failure.exit_code)


@click.group(
    cls=Group,
    epilog=EPILOG,
    params=common(of_group=True),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="spot")
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="SPOT_ROOT",
    show_envvar=True,
    help="The installation root.  [default: a folder for this user]",
)
@click.pass_obj
def cli(session: Session, root: Path | None) -> None:
    """Fetch, verify and switch the vendor's releases on this machine."""
    session.root = root


for room in (enrolment, renewal, reading, listing, changing, upkeep, site):
    for command in room.COMMANDS:
        cli.add_command(command)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name of a file may be no text, and a locale may lack a letter
            stream.reconfigure(errors="replace")
    cli()
