"""What a tree of paths must keep beside the rules of each path alone, so that it is the same tree wherever it is laid.

    link-loop       links that lead round in a circle, or through more than 40 links (Linux gives up there)
    reserved-name   an entry that ends in `.spot-new`: SPOT lays the new one of a changed `config` file there
    case-clash      two paths that a system without case would take for one; for all platforms but `linux-*`
    not-portable    a name that Windows cannot hold; for `any` and `windows-*`

Without case: canonical caseless matching, D145 in chapter 3.13 of the Unicode standard. That is a little stricter than
any one file system, each of which has a table of its own. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from spot_client.wire.errors import BadName
from spot_client.wire.names import MAX_PATH_BYTES

NEW_CONFIG_SUFFIX: Final = ".spot-new"
"""What the name of a changed `config` file is given for the new one beside it."""

_MAX_HOPS = 40  # as Linux follows: MAXSYMLINKS
_NOWHERE = "/"  # where a target leads that is too long to be an entry, and so to be one of the links

# "Naming Files, Paths, and Namespaces", Microsoft: devices, whatever extension follows; what no name holds or ends in.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
_FORBIDDEN = frozenset('<>:"|?*')


def check(paths: Iterable[str], links: Mapping[str, str], platform: str) -> None:
    """Hold the paths of a release, folders and links among them, to the rules above; `links`: targets by path.

    Raises:
        BadName: a reason of the module's docstring.
    """
    check_links(links)
    seen: dict[str, str] = {}
    for path in paths:
        check_reserved(path)
        if not platform.startswith("linux-"):
            other = seen.setdefault(caseless(path), path)
            if other != path:
                raise BadName("case-clash", f"{path[:120]!r} and {other[:120]!r} are one name on systems without case.")
        if platform == "any" or platform.startswith("windows-"):
            _check_windows(path)


def check_reserved(path: str) -> None:
    """Refuse a name that SPOT needs itself.

    Raises:
        BadName: reason `reserved-name`.
    """
    if path.casefold().endswith(NEW_CONFIG_SUFFIX):
        raise BadName("reserved-name", f"{path[:120]!r} ends in {NEW_CONFIG_SUFFIX}, which SPOT needs for itself.")


def check_links(links: Mapping[str, str]) -> None:
    """Refuse links that lead round in a circle, or through too many others. Targets have passed `names.check_link`.

    Raises:
        BadName: reason `link-loop`.
    """
    known: dict[str, tuple[str, int]] = {}
    for path in links:
        _follow(path, links, known, 0)


def caseless(path: str) -> str:
    """The one form of all paths that a system without case takes for the same."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _follow(path: str, links: Mapping[str, str], known: dict[str, tuple[str, int]], above: int) -> int:
    """Note in `known` where the link at `path` leads, and through how many links, itself counted; returns that."""
    if path in known:
        return known[path][1]
    hops = 1
    place = path.rpartition("/")[0]
    for segment in links[path].split("/") if above < _MAX_HOPS else ():
        place = place.rpartition("/")[0] if segment == ".." else f"{place}/{segment}".lstrip("/")
        if place in links:
            hops += _follow(place, links, known, above + 1)
            place = known[place][0]
        if place == _NOWHERE or len(place) > MAX_PATH_BYTES:
            place = _NOWHERE
            break
    if above >= _MAX_HOPS or hops > _MAX_HOPS:
        raise BadName("link-loop", f"The link {path[:120]!r} leads round in a circle, or through more than 40 links.")
    known[path] = place, hops
    return hops


def _check_windows(path: str) -> None:
    name = path.rpartition("/")[2]
    if _DEVICE.fullmatch(name):
        raise BadName("not-portable", f"{path[:120]!r} has the name of a device on Windows.")
    if name.endswith((".", " ")) or not _FORBIDDEN.isdisjoint(name):
        raise BadName("not-portable", f"{path[:120]!r} has a name that Windows cannot hold.")
