"""What this host gives to the mirror: files with their modes, room on the disk, addresses; and what a publish left."""

import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mirror.checking.findings import Disk, Finding, good, judge_disk, judge_modes
from mirror.config import Config
from mirror.records.sqlite import FILE_NAME

_FOLDER: Final = 0o700
_FILE: Final = 0o600


def modes(config: Config) -> Iterator[Finding]:
    """Who may get at data, passphrase and signing keys. Of those, no byte is read."""
    keys, passphrase = Path(config.publishing.keys), config.publishing.passphrase_file
    private = {config.data_dir: _FOLDER, keys: _FOLDER}
    private |= dict.fromkeys(sorted(keys.glob("*.pem")) if keys.is_dir() else (), _FILE)
    private |= dict.fromkeys((config.data_dir / name for name in (FILE_NAME, "audit.jsonl")), _FILE)
    private |= {Path(passphrase): _FILE} if passphrase is not None else {}
    found = {}
    for path, most in private.items():
        mode = _mode(path)
        if mode is not None:
            found[str(path)] = stat.S_IMODE(mode), most
            if stat.S_ISDIR(mode) != (most == _FOLDER):
                yield _other_kind(path, folder=most == _FOLDER)
    yield from judge_modes(found)
    if _mode(config.data_dir) is None:
        step = "Run 'spot-mirror init', or correct 'data' in the configuration."
        yield Finding("problem", "missing-folder", f"There is no folder {config.data_dir}.", step)
    if _mode(keys) is None:
        yield good(f"There are no signing keys in {keys}: who publishes does it elsewhere.")
    if passphrase is not None and _mode(Path(passphrase)) is None:
        step = "Put the passphrase of the signing keys there, or take 'passphrase_file' out of the configuration."
        yield Finding("warning", "missing-file", f"There is no passphrase file {passphrase}.", step)


def configuration(path: Path) -> Finding:
    """The configuration's own file: whoever may write it decides whom the mirror serves."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o022:
        return Finding("problem", "bad-mode", f"Others may write {path} (mode {mode:o}).", f"Run chmod go-w {path}.")
    return good(f"{path} is a configuration.")


def disk(folder: Path) -> Iterator[Finding]:
    """Room on the disk of `folder`."""
    try:
        found = os.statvfs(folder)
    except OSError as error:
        yield Finding("problem", "unreadable", f"The disk of {folder} cannot be asked for its room: {error.strerror}.")
        return
    if found.f_flag & os.ST_RDONLY:
        step = "Look into the system's log for the cause, then mount it for writing."
        yield Finding("problem", "read-only", f"The disk of {folder} may not be written to.", step)
    unit = found.f_frsize
    yield from judge_disk(
        str(folder), Disk(found.f_bavail * unit, found.f_blocks * unit, found.f_favail, found.f_files)
    )


def addresses(listen: Iterable[str]) -> Iterator[Finding]:
    """Whether each `HOST:PORT` could be listened on: bound for a moment, without listening."""
    for address in listen:
        try:
            _bind(address)
        except OSError as error:
            yield _unbound(address, error)
        else:
            yield good(f"{address} is free to be listened on.")


def leftovers(data: Path) -> Iterator[Finding]:
    """What a publish has in progress, or left when it was killed."""
    folder = data / "publishing"
    left = [name for name in ("journal.json", "staging") if os.path.lexists(folder / name)]
    if left:
        what = f"A publish is running, or was stopped: there is {' and '.join(left)} in {folder}."
        step = "If none is running, the next 'spot-mirror publish' or 'resign' finishes or undoes it."
        yield Finding("advice", "unfinished", what, step)
    else:
        yield good("No publish was left unfinished.")


def written(paths: Iterable[Path]) -> Iterator[tuple[str, datetime]]:
    """When files were last written, by what they are called."""
    for path in paths:
        try:
            yield str(path), datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, OverflowError, ValueError):  # gone, or of a year that no calendar has
            continue


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _other_kind(path: Path, *, folder: bool) -> Finding:
    wanted, is_ = ("folder", "file") if folder else ("file", "folder")
    step = f"Move it away and put the {wanted} there, or correct the path in the configuration."
    return Finding("problem", f"not-a-{wanted}", f"{path} is a {is_}, where a {wanted} must be.", step)


def _bind(address: str) -> None:
    host, _, port = address.rpartition(":")
    places = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(place)


def _unbound(address: str, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        what = f"{address} is being listened on: by this mirror, if it is running."
        return Finding("advice", "port-in-use", what, "If it is not, stop the other process, or change content.listen.")
    if error.errno == errno.EACCES:
        what = f"This user may not listen on {address}."
        return Finding("advice", "no-permission", what, "The mirror's own user must, or take a port above 1023.")
    what = f"{address} cannot be listened on: {error.strerror}."
    return Finding("problem", "no-such-address", what, "Change content.listen to an address of this machine.")
