"""Runs the blocks of a page in a shell, as a reader would: one after the other, in one folder."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

BIN: Final = Path(sys.executable).parent
PORT_IN_DOCS: Final = "8443"
OPERATORS_IN_DOCS: Final = "9443"
PASSPHRASES: Final = {
    "SPOT_CA_PASSPHRASE": "a passphrase for the CA",
    "SPOT_MIRROR_PASSPHRASE": "another for the catalogue",
    "SPOT_SITE_PASSPHRASE": "a third for the customer's site",
}


def free_port() -> str:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def run(
    scripts: Iterable[str], folder: Path, *, port: str, environment: Mapping[str, str] | None = None, seconds: int = 120
) -> str:
    """Run scripts in one `bash -eu`, with `port` for the one in the docs; what they said. A failure fails the test.

    The port of operators becomes a free one. What they left running is ended with them.
    """
    script = "\n".join(scripts).replace(PORT_IN_DOCS, port).replace(OPERATORS_IN_DOCS, free_port())
    # The docs listen where init does by default; a test has to be elsewhere.
    script = script.replace("spot-mirror init ", f"spot-mirror init --listen 127.0.0.1:{port} ")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPOT_")}
    shell = subprocess.Popen(
        ["bash", "-eu", "-c", script],
        cwd=folder,
        env={**clean, "PATH": f"{BIN}:{clean['PATH']}", "NO_COLOR": "1", **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = shell.communicate(timeout=seconds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)
    assert shell.returncode == 0, f"{script}\n--- said:\n{said}"
    return said
