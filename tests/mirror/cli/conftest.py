"""Fixtures of the tests of publishing's commands."""

import shutil
from pathlib import Path

import pytest

from tests.mirror.cli.shell import Shell
from tests.mirror.cli.vendor import ceremony
from tests.mirror.publishing.rig import folder_of


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    folder_of(tmp_path / "source", {"bin/tool": b"#!/bin/sh\n", "lib/a.txt": b"a" * 5000})
    return Shell(tmp_path, monkeypatch, capsys)


@pytest.fixture
def made(shell: Shell) -> Shell:
    """After init."""
    shell.done("init", "--development", "--realm", "build.example.com")
    return shell


@pytest.fixture
def vendor(shell: Shell, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """After the ceremony of `tests.mirror.cli.vendor`, which is held once and copied: keys are slow to seal."""
    kept = tmp_path_factory.getbasetemp() / "vendor"
    if kept.exists():
        shutil.copytree(kept, shell.folder, dirs_exist_ok=True)
    else:
        ceremony(shell)
        shutil.copytree(shell.folder, kept)
    return shell
