"""systemd is told how it goes, where it asks to be: sd_notify(3), one small datagram each.

Without `NOTIFY_SOCKET` nothing is said. What cannot be delivered is passed over: the mirror does not depend on it.
"""

import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

_MICROSECONDS: Final = 1_000_000
_PATIENCE: Final = 1.0  # seconds, if systemd is busy


class Notify:
    """`environment`: that of the process."""

    def __init__(self, environment: Mapping[str, str], pid: int) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        period = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
        self.alive_seconds: float | None = None
        """How often `alive` has to be told; None: never."""
        if self._address and mine and period.isascii() and period.isdigit() and int(period) > 0:
            self.alive_seconds = int(period) / _MICROSECONDS / 2

    def ready(self, status: str) -> None:
        """It serves, or serves again after `reloading`. status: one line for `systemctl status`."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read anew."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """It drains, and ends."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The watchdog need not bite."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if self._address[:1] not in {"/", "@"}:
            return
        address = f"\0{self._address[1:]}" if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notifying:
            notifying.settimeout(_PATIENCE)
            notifying.connect(address)
            notifying.send("\n".join(lines).encode())
