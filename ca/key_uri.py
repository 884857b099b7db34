"""Where the key of the issuing CA lies, as a URI: `file:/PATH` (RFC 8089). Pure.

A URI, and not a path, because a key may once lie where there are no files: `pkcs11:` (RFC 7512) would name one in a
token. That is refused, and not taken for a file of that name.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from ca.errors import IssueError

MAX_URI: Final = 4096
"""Longest URI, in characters."""

_URI: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_FILE: Final = re.compile(r"(?://(?:localhost)?)?(/(?!/)(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)")


def key_file(uri: str) -> Path:
    """The file that a URI names: absolute, on this machine.

    Raises:
        IssueError: reason `bad-key-uri`, or `unknown-key-scheme` for another scheme than `file`.
    """
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI else None
    if match is None:
        raise IssueError("bad-key-uri", f"{uri} is no URI: name the key as file:/PATH, with the whole path.")
    scheme, rest = match.groups()
    if scheme.lower() != "file":
        step = "Keys in a token or another program cannot be used yet: name a file, as file:/PATH."
        raise IssueError("unknown-key-scheme", f"{scheme}: names no key that spot-ca can use. {step}")
    named = _FILE.fullmatch(rest)
    path = unquote(named[1], errors="surrogateescape") if named else ""
    if not path or "\0" in path or path.endswith("/"):
        step = "It has the whole path of a file on this machine, as file:/PATH; other characters than letters, digits "
        raise IssueError("bad-key-uri", f"{uri} names no key. {step}and ._~- are written as %XX.")
    return Path(path)
