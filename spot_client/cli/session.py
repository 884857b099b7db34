"""One run of `spot`: what it was asked for, how it speaks, and the way to the installation.

Heavy rooms are imported where they are used, so that `spot --version` and `spot --help` start at once.
"""

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import click

from spot_client import __version__
from spot_client.cli.failures import Failure, explain
from spot_client.errors import NotTrusted, Refused, RefusedLocally, SpotError

if TYPE_CHECKING:
    from spot_client.compose import Opened
    from spot_client.config import Paths, Settings
    from spot_client.report import PlainReport
    from spot_client.state import Store

_log = logging.getLogger("spot_client")
_log.addHandler(logging.NullHandler())  # else logging itself would print what nobody asked it to


class Session:
    """What the options of all commands say (set by `cli.options`), and what follows from them."""

    def __init__(self) -> None:
        self.root: Path | None = None
        self.quiet = self.verbose = self.json = self.reset_clock = False
        self.log_file: Path | None = None
        self.source: Path | None = None
        self.spread = 0  # seconds
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._handlers: list[logging.Handler] = []
        self._report: PlainReport | None = None
        self._answered = False
        self._told: list[Failure] = []

    def start(self) -> None:
        """All options are known: begin to log."""
        from spot_client.cli.logs import Verbose

        if self.verbose:
            self._log_to(Verbose())
        if self.log_file:
            self._log_into(self.log_file)

    def stop(self) -> None:
        """The run has ended: logs are closed."""
        for handler in self._handlers:
            _log.removeHandler(handler)
            handler.close()
        self._handlers.clear()

    # How it speaks

    @property
    def report(self) -> "PlainReport":
        """For what is said on the way."""
        from spot_client.report import for_stream

        if self._report is None:
            self._report = for_stream(quiet=self.quiet or self.json, plain=self.verbose)
        return self._report

    def answer(self, text: str) -> None:
        """Print a result for people, which --quiet lets pass, and --json replaces by its document."""
        from spot_client.wording import printable

        _log.info("%s", text)
        if not self.json:
            click.echo(printable(text))

    def document(self, value: Any) -> None:
        """Print the one document of --json; nothing without that option."""
        if self.json:
            self._answered = True
            text = json.dumps(value, ensure_ascii=False, indent=2)
            click.echo(text.encode(errors="replace"))

    def fail(self, failure: Failure) -> None:
        """Say what went wrong, on standard error, and as the document if there is none yet."""
        if failure not in self._told:
            self._tell(failure, failure.message)
        if not self._answered:
            self.document({"error": failure.shape})

    @property
    def changing(self) -> bool:
        """Whether a change has begun in this run."""
        return self._report is not None and self._report.begun

    # The way to the installation

    def open(self) -> tuple["Paths", "Settings"]:
        """The places of the installation, and what its administrator chose."""
        from spot_client.config import Paths, load_settings

        if self.root is None:
            import platformdirs

            self.root = platformdirs.user_data_path("spot")
        paths = Paths(self.root.absolute())
        settings = load_settings(paths.settings)
        if settings.log_file and self.log_file is None:
            self._log_into(paths.root / settings.log_file)
        return paths, settings

    def store(self) -> "Store":
        """What the installation remembers."""
        from spot_client.state import Store

        return Store(self.open()[0])

    def found(self) -> "Store":
        """As `store`, of an installation that was begun: nothing is made where there is none."""
        store = self.store()
        if not store.paths.own.is_dir():
            store.enrolled()
        return store

    @contextmanager
    def at_work(self, *, asks: bool = True) -> Iterator["Opened"]:
        """SPOT at work: lock held, leftovers of an interrupted run dealt with.

        `asks`: the work is to ask a mirror, so the certificate is seen to first.
        """
        from spot_client.cli import renewal
        from spot_client.compose import open_spot
        from spot_client.state import Store

        paths, settings = self.open()
        store = Store(paths)
        store.enrolled()
        time.sleep(SystemRandom().uniform(0, self.spread))  # before the lock: whoever else comes does not wait for it
        with store.lock():
            if asks and not self.source:
                renewal.see_to(self, paths, settings)
            opened = open_spot(paths, settings, self.report, self.source)
            try:
                self.warn_of_expiry(store)
                self.warn_of_pins(store)
                opened.spot.begin()
                if self.reset_clock and self.source:
                    raise click.UsageError("--reset-clock asks a mirror what time it is: leave --from out.")
                if self.reset_clock:
                    opened.reset_clock()
                yield opened
            finally:
                opened.transport.close()

    def warn_of_expiry(self, store: "Store") -> None:
        """Say in time that the certificate of this installation will lapse."""
        from spot_client import certificate
        from spot_client.renew import renews

        validity = certificate.read(store.credentials)
        if validity is None:
            return
        by_itself = renews(store)  # then it is only told when that should have happened long ago
        if validity.is_short(self.now(), 6 if by_itself else 3):
            how = "expired on" if validity.end < self.now() else "is good only until"
            step = (
                "SPOT asks for the next one with each run, and your vendor has not given it: ask there."
                if by_itself
                else "ask your vendor for a new bundle, and run 'spot enrol BUNDLE' with it."
            )
            self.report.warn(f"The certificate of this installation {how} {validity.end:%Y-%m-%d}: {step}")

    def warn_of_pins(self, store: "Store") -> None:
        """Say in time that a mirror will have no certificate left that SPOT believes."""
        from spot_client import mirrors

        for sentence in mirrors.warnings(mirrors.in_force(store, store.enrolled()), self.now()):
            self.report.warn(sentence)

    def each(self, components: Sequence[str], work: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
        """Do the work for each component and print the document: what stops one does not stop the others.

        A mirror out of reach, or this machine, does stop the others. Raises the first failure at the end.
        """
        if not components:
            self.report.say("Nothing is installed: 'spot install PRODUCT/COMPONENT' begins.")
        found: list[dict[str, Any]] = []
        failures: list[SpotError] = []
        for component in components:
            try:
                found.append(work(component))
            except SpotError as error:
                failures.append(error)
                failure = explain(error)
                found.append({"component": component, "error": failure.shape})
                if not isinstance(error, (NotTrusted, Refused, RefusedLocally)):
                    break
                if len(components) > 1:
                    self._tell(failure, f"{component}: {failure.message}")
        self.document(found)
        if failures:
            raise failures[-1] if len(found) < len(components) else failures[0]
        return found

    def _tell(self, failure: Failure, sentence: str) -> None:
        from spot_client.wording import printable

        self._told.append(failure)
        _log.error("%s (%s, exit code %d)", sentence, failure.reason, failure.exit_code)
        click.echo(f"spot: {printable(sentence)}", err=True)

    def _log_into(self, path: Path) -> None:
        from spot_client.cli.logs import LogFile

        self.log_file = path
        self._log_to(LogFile(path, lambda text: click.echo(f"spot: {text}", err=True)))
        _log.info("spot %s: %s", __version__, " ".join(sys.argv[1:]))

    def _log_to(self, handler: logging.Handler) -> None:
        _log.setLevel(logging.DEBUG)
        _log.addHandler(handler)
        self._handlers.append(handler)
