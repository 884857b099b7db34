"""The command `catalogue-timer`: the process that holds the online keys."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from mirror import config
from mirror.cli.options import config_option
from mirror.cli.output import printable, rfc3339
from mirror.cli.passphrase import passphrase_option
from mirror.cli.signers import online_ring, signing_with
from mirror.errors import MirrorError
from mirror.locks import alone
from mirror.signing import timer
from mirror.signing.means import Signing
from mirror.signing.ring import Ring
from mirror.signing.visible import Shown

_TURN_SECONDS = 2.0


@click.command("catalogue-timer", short_help="Sign snapshot and timestamp, for ever.")
@click.option("--once", is_flag=True, help="Take one turn and end.")
@passphrase_option
@config_option
def catalogue_timer(*, once: bool, config_path: Path, passphrase_file: Path | None) -> None:
    """Make visible what people have signed, within seconds, and sign snapshot and timestamp before they lapse.

    It needs the keys of snapshot and timestamp, no others, and write access to the mirror's data folder; it listens on
    nothing. Run it as a service of its own (deploy/spot-mirror-timer.service), never in the process that serves.
    """
    loaded = config.load(config_path)
    online = online_ring(loaded, passphrase_file)
    using = signing_with(loaded, online)
    online.unlock_all()
    if once:
        _say(timer.turn(using, online))
        return
    with alone(online.folder, "running the timer"):
        _run(using, online)


def _run(using: Signing, online: Ring) -> None:
    stop, told = threading.Event(), dict[str, str]()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    click.echo(f"{_now()} ready: {', '.join(online.held())}")
    while not stop.is_set():
        with _complaining(told, "keys"):
            online.refresh()  # what cannot be read now is no reason not to sign with the keys that were
        with _complaining(told, "turn"):
            shown = timer.turn(using, online)
            if shown is not None:
                _say(shown)
        stop.wait(_TURN_SECONDS)
    click.echo(f"{_now()} stopped")


@contextmanager
def _complaining(told: dict[str, str], part: str) -> Iterator[None]:
    """Tell of a fault when it comes, and not again before it has gone or changed; `told`: the last of each part."""
    try:
        yield
    except (MirrorError, OSError) as error:
        if str(error) != told.get(part):
            click.echo(f"{_now()} {getattr(error, 'reason', 'io')}: {error}", err=True)
        told[part] = str(error)
    else:
        told.pop(part, None)


def _say(shown: Shown | None) -> None:
    if shown is None:
        click.echo(f"{_now()} nothing to do")
        return
    what = printable("; ".join(dict.fromkeys(change.what for change in shown.changes))) or "signed anew"
    click.echo(f"{_now()} version {shown.version}: {what}")
    sys.stdout.flush()


def _now() -> str:
    return rfc3339(datetime.now(UTC))


COMMANDS: tuple[click.Command, ...] = (catalogue_timer,)
