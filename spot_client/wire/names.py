"""What may be called what: products, components, versions, platforms, channels, and paths inside a release.

A name that is valid here is safe as a file name, as a URL segment without escapes, and as a TUF role name, on every
system that SPOT runs on. Pure.
"""

import re
import unicodedata
from typing import Final

from packaging.version import InvalidVersion, Version

from ca.identity import ID_PATTERN
from spot_client.wire.errors import BadName

RESERVED_PRODUCTS: Final = frozenset({"house", "root", "targets", "snapshot", "timestamp", "halts"})
"""Names of TUF roles and of products of our own: no vendor's product may take them."""

MAX_PATH_BYTES: Final = 1024
"""Longest path inside a release, in UTF-8 bytes; a segment has at most 255."""

_PLATFORM = re.compile(r"any|(linux|macos|windows)-(x86_64|arm64|x86|armv7|ppc64le|s390x|riscv64)", re.ASCII)
_MAX_VERSION = 64  # characters
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # categories of Unicode


def check_product(name: str) -> str:
    """Return `name` if a product may be called so.

    Raises:
        BadName: reason `bad-name` or `reserved-name`.
    """
    if name in RESERVED_PRODUCTS:
        raise BadName("reserved-name", f"{name!r} is reserved: choose another name for the product.")
    return check_id("product", name)


def check_id(what: str, name: str) -> str:
    """Return `name` if it matches `[a-z0-9][a-z0-9-]{0,62}`; `what` says in the error what it was to name.

    Raises:
        BadName: reason `bad-name`.
    """
    if not ID_PATTERN.fullmatch(name):
        raise BadName(
            "bad-name",
            f"{name[:80]!r} is not a valid {what}: use lower-case letters, digits and hyphens, 63 characters at most.",
        )
    return name


def split_component(ref: str) -> tuple[str, str]:
    """Split `PRODUCT/COMPONENT` into its two checked ids.

    Raises:
        BadName: reason `bad-name` or `reserved-name`.
    """
    product, slash, component = ref.partition("/")
    if not slash:
        raise BadName("bad-name", f"{ref[:80]!r} names no component: write PRODUCT/COMPONENT.")
    return check_product(product), check_id("component", component)


def check_version(text: str) -> Version:
    """Parse a version in its one normal spelling (PEP 440).

    Raises:
        BadName: reason `bad-version`, also for another spelling of a valid version (`1.0-rc1` for `1.0rc1`).
    """
    try:
        version = Version(text) if len(text) <= _MAX_VERSION else None
    except InvalidVersion:
        version = None
    if version is None:
        raise BadName("bad-version", f"{text[:80]!r} is not a version as PEP 440 has them, such as 1.40.1 or 2.0rc1.")
    if str(version) != text:
        raise BadName("bad-version", f"The version {text!r} is written {str(version)!r}.")
    return version


def check_platform(name: str) -> str:
    """Return `name` if it is `any` or SYSTEM-ARCHITECTURE such as `linux-x86_64`.

    Raises:
        BadName: reason `bad-platform`.
    """
    if not _PLATFORM.fullmatch(name):
        raise BadName("bad-platform", f"{name[:80]!r} is not a platform: use any, linux-x86_64, macos-arm64, ...")
    return name


def check_path(path: str) -> str:
    """Return `path` if it is a safe relative path: segments joined by `/`, in Unicode form NFC, none `.` or `..`.

    Raises:
        BadName: reason `bad-path`.
    """
    problem = _path_problem(path)
    if problem:
        raise BadName("bad-path", f"The path {path[:120]!r} cannot be used: {problem}.")
    return path


def check_link(path: str, target: str) -> str:
    """Return the `target` of a symbolic link at `path` if it stays inside the release, whatever other links do.

    `..` may only lead: then it climbs real folders, because the manifest lists every folder above `path`. A `..` after
    a name could climb out through another link that stands under that name.

    Raises:
        BadName: reason `bad-path` or `bad-link`.
    """
    check_path(path)
    segments = target.split("/")
    climbs = 0
    while climbs < len(segments) and segments[climbs] == "..":
        climbs += 1
    if climbs > path.count("/"):
        raise BadName("bad-link", f"The link {path!r} leaves the release: its target is {target[:120]!r}.")
    problem = _path_problem("/".join(segments[climbs:])) if segments[climbs:] else ""
    if problem:
        raise BadName("bad-link", f"The link {path!r} has a target that cannot be used: {problem}.")
    return target


def _is_plain(path: str) -> bool:
    """Whether people see what is there: U+202E, for one, shows `exe.txt` for what ends in `txt.exe`."""
    if path.isascii():
        return path.isprintable()
    return not any(unicodedata.category(char) in _UNSEEN for char in path)


def _path_problem(path: str) -> str:
    try:
        raw = path.encode()
    except UnicodeEncodeError:
        return "it is not Unicode text"
    if not 0 < len(raw) <= MAX_PATH_BYTES:
        return f"it has {len(raw)} bytes, and 1 to {MAX_PATH_BYTES} are allowed"
    if "\\" in path or not _is_plain(path):
        return "it has a backslash, or a character that controls, formats or breaks lines"
    if not unicodedata.is_normalized("NFC", path):
        return "it is not in Unicode form NFC"
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            return "it is absolute, or has an empty, '.' or '..' segment"
        if len(segment.encode()) > 255:
            return "a segment has more than 255 bytes"
    return ""
