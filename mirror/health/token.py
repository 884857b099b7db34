"""The token of the health listener, from its file."""

import re
from pathlib import Path
from typing import Final

from ca.errors import CaError
from ca.files import read_file
from mirror.config import Health
from mirror.errors import ServeError

MAX_BYTES: Final = 4 * 2**10
MIN_LENGTH: Final = 16

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1


def token_of(health: Health | None) -> bytes | None:
    """What the health listener asks for, if anything. Raises ServeError: as `read_token`."""
    return None if health is None or health.token_file is None else read_token(Path(health.token_file))


def read_token(path: Path) -> bytes:
    """The first line of `path`.

    Raises:
        ServeError: reason `weak-token`, shorter than `MIN_LENGTH`, or with characters that no token has; or one of
            `ca.files.read_file` (`missing-file`, `unreadable-file`, `too-large`, `bad-mode`).
    """
    try:
        raw = read_file(path, max_bytes=MAX_BYTES, refusal=CaError, private=True)
    except CaError as error:
        raise ServeError(error.reason, f"The token of health.token_file: {error}") from error
    line = raw.split(b"\n", 1)[0].removesuffix(b"\r")
    if len(line) < MIN_LENGTH or not _TOKEN.fullmatch(line):
        raise ServeError(
            "weak-token",
            f"The first line of {path} is no token of {MIN_LENGTH} characters or more, of letters, digits and -._~+/: "
            "write one there, for instance from 'openssl rand -hex 32'.",
        )
    return line
