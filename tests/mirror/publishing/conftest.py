"""Fixtures of the tests of publishing."""

from pathlib import Path

import pytest

from tests.mirror.publishing import rig


@pytest.fixture
def mirror(tmp_path: Path) -> rig.Mirror:
    """A mirror that offers nothing yet."""
    return rig.new_mirror(tmp_path / "mirror")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A small source folder."""
    return rig.folder_of(tmp_path / "source", {"bin/tool": b"#!/bin/sh\n", "lib/a.txt": b"a" * 5000, "empty": b""})
