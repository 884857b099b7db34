"""Where state lies: manifest → links in a version's tree, and what there is outside of the versions. Pure.

State lies in the folder `state` of the component, and a version's tree has a relative link to it. A folder all of whose
files are state, and at least one, is linked as a whole: what the product adds there stays. A symbolic link in it whose
target lies in that folder, too, is state with it.
"""

from collections.abc import Iterable, Iterator

from spot_client.wire.manifest import Directory, Entry, File, Kind, Manifest, Symlink


def state_links(manifest: Manifest) -> dict[str, str]:
    """Links that a tree at `COMPONENT/versions/FOLDER` has to its state, as targets by path."""
    whole, _ = _folders(manifest)
    found = {}
    for entry in manifest.entries:
        is_state = entry.path in whole or (isinstance(entry, File) and entry.kind is Kind.STATE)
        if is_state and _parent(entry.path) not in whole:
            found[entry.path] = state_link(entry.path)
    return found


def state_link(path: str) -> str:
    """Where the link leads that stands for the state at `path`, in a tree at `COMPONENT/versions/FOLDER`."""
    return f"{'../' * (path.count('/') + 2)}state/{path}"


def state_entries(manifest: Manifest) -> tuple[Entry, ...]:
    """What lies in the folder `state`: state files, the folders they need, and links in those; in order of path."""
    whole, above = _folders(manifest)
    return tuple(
        entry
        for entry in manifest.entries
        if (isinstance(entry, File) and entry.kind is Kind.STATE)
        or (isinstance(entry, Directory) and (entry.path in whole or entry.path in above))
        or (isinstance(entry, Symlink) and _parent(entry.path) in whole)
    )


def tree_entries(manifest: Manifest) -> Iterator[Entry]:
    """What lies in a version's tree, in order of path: the entries, with links in place of state."""
    whole, _ = _folders(manifest)
    links = state_links(manifest)
    for entry in manifest.entries:
        if entry.path in links:
            yield Symlink(entry.path, links[entry.path])
        elif _parent(entry.path) not in whole:
            yield entry


def _folders(manifest: Manifest) -> tuple[set[str], set[str]]:
    """The folders that are state as a whole, those below such ones too; and all folders above a state file."""
    files = [entry for entry in manifest.entries if isinstance(entry, File)]
    state = set(_above(file.path for file in files if file.kind is Kind.STATE))
    mixed = set(_above(file.path for file in files if file.kind is not Kind.STATE))
    mixed |= {folder for entry in manifest.entries if isinstance(entry, Symlink) for folder in _left(entry)}
    whole: set[str] = set()
    for entry in manifest.entries:
        pure = entry.path in state and entry.path not in mixed
        if isinstance(entry, Directory) and (pure or _parent(entry.path) in whole):
            whole.add(entry.path)
    return whole, state


def _above(paths: Iterable[str]) -> Iterator[str]:
    """Every folder above a path; each once."""
    seen = {""}
    for path in paths:
        folder = _parent(path)
        while folder not in seen:
            seen.add(folder)
            yield folder
            folder = _parent(folder)


def _left(link: Symlink) -> Iterator[str]:
    """The folders above a link that its target does not lie in."""
    at, target = _parent(link.path), link.target + "/"
    while target.startswith("../"):  # nowhere else can it climb (`names.check_link`)
        at, target = _parent(at), target[3:]
    target = f"{at}/{target}".lstrip("/")
    folder = _parent(link.path)
    while folder and not target.startswith(f"{folder}/"):
        yield folder
        folder = _parent(folder)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
