"""A person who types `spot-mirror`, in this process and a folder of its own."""

import io
import sys
from pathlib import Path

import msgspec
import pytest

from mirror import cli

PASSPHRASE = "correct horse battery"


class Result(msgspec.Struct, frozen=True):
    """What a command gave back."""

    code: int
    out: str
    err: str


class Shell:
    """Runs `spot-mirror` in this process, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        monkeypatch.chdir(folder)
        monkeypatch.setenv("SPOT_MIRROR_PASSPHRASE", PASSPHRASE)
        monkeypatch.setattr(sys, "stdin", io.StringIO())

    def __call__(self, *arguments: str) -> Result:
        self._monkeypatch.setattr(sys, "argv", ["spot-mirror", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        assert PASSPHRASE not in out + err
        return Result(int(end.value.code or 0), out, err)

    def done(self, *arguments: str) -> Result:
        result = self(*arguments)
        assert result.code == 0, result.err
        return result
