"""What the tests of the commands about customers share: a mirror's store, and its command line, at one moment."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import time_machine
from click.testing import CliRunner, Result

from mirror.cli import cli
from mirror.errors import MirrorError
from mirror.records.protocol import Records
from mirror.records.sqlite import FILE_NAME, open_records
from spot_client.wire.errors import WireError

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Desk(msgspec.Struct, frozen=True):
    """A person at the command line of a mirror in `folder`."""

    folder: Path

    def store(self) -> closing[Records]:
        """The store itself, as the listener writes it."""
        return closing(open_records(self.folder / "data" / FILE_NAME))

    def run(self, *words: str) -> Result:
        """Type `spot-mirror WORDS` at noon of the first of March 2026."""
        with time_machine.travel(NOW, tick=False):
            return CliRunner().invoke(cli, words, env={"SPOT_MIRROR_CONFIG": str(self.folder / "mirror.toml")})

    def says(self, *words: str) -> str:
        """What is printed when all goes well."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refusal(self, *words: str) -> str:
        """The reason of a refusal."""
        result = self.run(*words)
        assert isinstance(result.exception, MirrorError | WireError), result.output
        return result.exception.reason


def new_desk(folder: Path) -> Desk:
    """A mirror with an empty store."""
    (folder / "mirror.toml").write_text('realm = "build.example.com"\n')
    (folder / "data").mkdir(mode=0o700)
    open_records(folder / "data" / FILE_NAME, create=True).close()
    return Desk(folder)


def cells(table: str) -> list[list[str]]:
    """The rows of a printed table, without its head."""
    return [line.split() for line in table.splitlines()[1:]]
