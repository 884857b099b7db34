"""What a test needs of the machine: without it the test is skipped, or fails where CI=true says that it must not be."""

import os
import shutil

import pytest


def need(what: str, *, here: bool) -> None:
    """Go on if `what` is `here`."""
    if not here and os.environ.get("CI") == "true":
        pytest.fail(f"needs {what}")
    if not here:
        pytest.skip(f"needs {what}")


def need_program(name: str) -> None:
    """Go on if the program is installed."""
    need(name, here=shutil.which(name) is not None)


def need_root() -> None:
    """Go on as root."""
    need("root", here=os.geteuid() == 0)
