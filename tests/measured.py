"""Which processes coverage measures beside those of the tests: mirrors that serve, and their workers.

To begin and end with it takes a process a tenth of a second, and tests run programs by the thousand, most of them to be
killed. What those do is measured where tests call it in their own process.
"""

import os

_SETTING = "COVERAGE_PROCESS_CONFIG"  # coverage sets it for all that is started
_kept: dict[str, str] = {}


def spare() -> None:
    """From now on, no process that is started is measured."""
    if (setting := os.environ.pop(_SETTING, None)) is not None:
        _kept[_SETTING] = setting


def environment() -> dict[str, str]:
    """For a process that is to be measured all the same."""
    return {**os.environ, **_kept}
