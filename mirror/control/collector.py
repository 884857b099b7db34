"""Moves audit lines from the workers' rings into the file, and none is freed before it is there.

Each worker makes its ring in one folder, under a name of its own, and holds a lock on it until it dies. So a ring
without its worker is known by itself, whoever started that worker: it is emptied to the end and removed. That also
holds for what a killed control process left. A line that was written and not freed yet when control was killed
is written again by the next one: the request's id tells.
"""

import contextlib
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from mirror.blobs import make_folder
from mirror.control.audit_file import AuditFile
from mirror.ring import SUFFIX, RingReader

TURN_SECONDS: Final = 0.1
"""How often lines are to be moved."""
SYNC_SECONDS: Final = 1.0
"""How often they are to be brought onto the disk."""


class Collector:
    """All rings of a folder and the one file. One thread calls `turn`, another may call `sync`."""

    def __init__(self, file: Path, folder: Path, log: FilteringBoundLogger) -> None:
        """Open both, making what is missing. No worker may be starting in the folder meanwhile.

        Raises:
            OSError: one of them cannot be used.
        """
        make_folder(folder)
        for half_made in folder.glob(f".*{SUFFIX}"):
            half_made.unlink()
        self._file = AuditFile(file, log)
        self._folder = folder
        self._log = log
        self._rings: dict[str, RingReader] = {}
        self._reopen = False

    def turn(self) -> None:
        """Move what is in the rings. Raises OSError: the folder cannot be read."""
        if self._reopen:
            self._reopen = False
            self._file.reopen()
        self._look()
        for name, ring in list(self._rings.items()):
            abandoned = ring.abandoned()  # before its last lines are moved: then they are the last
            if self._empty(name, ring) and abandoned:
                self._forget(name, ring)

    def sync(self) -> None:
        """Have on the disk what was moved before."""
        self._file.sync()

    def reopen(self) -> None:
        """At the next turn go on in a new file of the same name, after the old one was renamed."""
        self._reopen = True

    @property
    def waiting(self) -> int:
        """Bytes of lines that are not in the file yet."""
        return sum(ring.waiting for ring in self._rings.values())

    def close(self) -> None:
        """Move what is left, once no worker runs any more. What a full disk keeps out waits for the next start."""
        self.turn()
        for ring in self._rings.values():
            ring.close()
        self._rings.clear()
        self._file.close()
        with contextlib.suppress(OSError):  # not empty
            self._folder.rmdir()

    def _look(self) -> None:
        for path in self._folder.glob(f"[!.]*{SUFFIX}"):
            if path.name in self._rings:
                continue
            try:
                self._rings[path.name] = RingReader(path)
            except (OSError, ValueError) as error:
                self._log.error("a ring of audit lines cannot be read", ring=str(path), problem=str(error))
                path.rename(path.with_suffix(".damaged"))

    def _empty(self, name: str, ring: RingReader) -> bool:
        """Move a ring's lines; False: some had to stay."""
        damaged = ring.damaged
        while lines := ring.peek():
            written = self._file.append(lines)
            ring.done(lines[:written])
            if written < len(lines):
                return False
        if ring.damaged > damaged:
            self._log.error("audit lines were damaged in their ring", ring=name, bytes=ring.damaged - damaged)
        return ring.waiting == 0

    def _forget(self, name: str, ring: RingReader) -> None:
        ring.close()
        del self._rings[name]
        (self._folder / name).unlink(missing_ok=True)
