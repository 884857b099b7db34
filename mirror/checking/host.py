"""What this host gives to the mirror: files with their modes, room on the disk, addresses; and what a publish left."""

import errno
import os
import socket
import stat
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from ca.finding import Finding, good
from mirror.checking.findings import Disk, judge_disk, judge_modes
from mirror.config import Config, Content
from mirror.records.sqlite import FILE_NAME

_FOLDER: Final = 0o700
_FILE: Final = 0o600

_Place = tuple[int, str, int]  # family, host, port


def modes(config: Config) -> Iterator[Finding]:
    """Who may get at data, passphrases, token and signing keys. Of those, no byte is read."""
    publishing = config.publishing
    keys = Path(publishing.keys)
    folders = [keys, *([Path(publishing.online_keys)] if publishing.online_keys else [])]
    passphrases = [Path(one) for one in (publishing.passphrase_file, publishing.online_passphrase_file) if one]
    private = dict.fromkeys((config.data_dir, *folders), _FOLDER)
    private |= dict.fromkeys(
        (pem for folder in folders if folder.is_dir() for pem in sorted(folder.glob("*.pem"))), _FILE
    )
    private |= dict.fromkeys((config.data_dir / name for name in (FILE_NAME, "audit.jsonl")), _FILE)
    token = Path(config.health.token_file) if config.health and config.health.token_file else None
    private |= dict.fromkeys([*passphrases, *([token] if token else [])], _FILE)
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
    for passphrase in passphrases:
        if _mode(passphrase) is None:
            step = "Put the passphrase of the signing keys there, or take the file out of the configuration."
            yield Finding("warning", "missing-file", f"There is no passphrase file {passphrase}.", step)
    if token and _mode(token) is None:
        step = "Write one there, mode 0600: 'openssl rand -hex 32' makes one."
        yield Finding("problem", "missing-file", f"There is no token in {token}: 'serve' does not start.", step)


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
    """Whether each `HOST:PORT` could be listened on, beside the others: bound for a moment, without listening.

    Until one listens, the system lets two bind the same place: whether they collide is judged by where they lead.
    """
    taken: dict[_Place, str] = {}
    for address in listen:
        try:
            places = _bind(address)
        except OSError as error:
            yield _unbound(address, error)
            continue
        twice = next((taken[one] for place in places for one in taken if _collide(place, one)), None)
        taken |= dict.fromkeys(places, address)
        if twice is None:
            yield good(f"{address} is free to be listened on.")
        else:
            what = f"{address} and {twice} collide: 'serve' cannot listen on both."
            yield Finding("problem", "address-twice", what, "Take one of them out of the configuration.")


def trusted(content: Content) -> Iterator[Finding]:
    """Who may replace what decides on trust: files from the CA, and their folders."""
    files = [Path(name) for name in (content.certificate, *content.issuing_cas, *content.crls)]
    folders = [path.parent for path in (*files, Path(content.key))]
    wrong = False
    for path in dict.fromkeys((*files, *folders)):
        mode = _mode(path)
        if mode is None or not mode & 0o022 or (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            continue
        wrong = True
        what = f"Others may write {path} (mode {stat.S_IMODE(mode):o}), and so decide whom the mirror trusts."
        yield Finding("problem", "bad-mode", what, f"Run chmod go-w {path}, and compare what is there with the CA's.")
    if not wrong:
        yield good("Nobody else may replace certificates and revocation lists here.")


def owners(config: Config) -> Iterator[Finding]:
    """What does not belong to the user whose the data folder is: that user, who serves, could not read or write it."""
    owner, data = config.data_dir.stat().st_uid, config.data_dir
    catalogue = data / "catalogue"
    looked_at = [data / FILE_NAME, data / f"{FILE_NAME}-wal", data / f"{FILE_NAME}-shm", catalogue]
    looked_at += [Path(config.content.key)] if config.content else []
    wrong = [path for path in looked_at if _owner(path) not in {None, owner}]
    if catalogue not in wrong and any(_owner(path) not in {None, owner} for path in catalogue.rglob("*")):
        wrong.append(catalogue)
    for path in wrong:
        what = f"{path}, or something in it," if path == catalogue else str(path)
        step = f"Run chown {'-R ' if path == catalogue else ''}{owner} {path}."
        yield Finding("problem", "other-owner", f"{what} belongs to another user than {data}.", step)
    if not wrong:
        yield good("What the mirror reads and writes belongs to the user whose the data folder is.")


def leftovers(data: Path) -> Iterator[Finding]:
    """What a publish has in progress, or left when it was killed."""
    folder = data / "publishing"
    left = [name for name in ("journal.json", "staging") if _status(folder / name) is not None]
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


def _status(path: Path) -> os.stat_result | None:
    """None if nothing is there. What may not be looked at is not taken for that: raises OSError."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _mode(path: Path) -> int | None:
    found = _status(path)
    return None if found is None else found.st_mode


def _other_kind(path: Path, *, folder: bool) -> Finding:
    wanted, is_ = ("folder", "file") if folder else ("file", "folder")
    step = f"Move it away and put the {wanted} there, or correct the path in the configuration."
    return Finding("problem", f"not-a-{wanted}", f"{path} is a {is_}, where a {wanted} must be.", step)


def _owner(path: Path) -> int | None:
    found = _status(path)
    return None if found is None else found.st_uid


def _collide(one: _Place, other: _Place) -> bool:
    """Whether both cannot be listened on: the same port of one family, at one address or at all of them."""
    (family, host, port), (its_family, its_host, its_port) = one, other
    same_host = host == its_host or ip_address(host).is_unspecified or ip_address(its_host).is_unspecified
    return (family, port) == (its_family, its_port) and port != 0 and same_host


def _bind(address: str) -> list[_Place]:
    """The places that an address leads to, all of which can be bound. Raises OSError."""
    host, _, port = address.rpartition(":")
    places = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asyncio does
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(place)
    return [(int(family), str(place[0]), int(place[1])) for family, _, _, _, place in places]


def _unbound(address: str, error: OSError) -> Finding:
    if error.errno == errno.EADDRINUSE:
        what = f"{address} is being listened on: by this mirror, if it is running."
        return Finding(
            "advice", "port-in-use", what, "If it is not, stop the other process, or change it in the configuration."
        )
    if error.errno == errno.EACCES:
        what = f"This user may not by itself listen on {address}."
        step = (
            "Start 'serve' by the systemd unit in deploy/, or by setpriv as in docs/ops.md; or take a port above 1023."
        )
        return Finding("advice", "no-permission", what, step)
    what = f"{address} cannot be listened on: {error.strerror}."
    return Finding("problem", "no-such-address", what, "Name an address of this machine in the configuration.")
