"""What a publisher may have overlooked: sentences, and never a refusal. Pure."""

import posixpath
from collections.abc import Callable, Iterator
from typing import Final

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from mirror.publishing import kinds
from mirror.publishing.order import Order
from mirror.publishing.pack import Layout
from mirror.publishing.tree import Form
from spot_client.wire import names
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Directory, Entry, File, Kind, Manifest, Symlink

_OTHER_ARCHIVES: Final = (".7z", ".rar", ".tar.lz", ".tar.lz4", ".tar.lzma", ".tar.z", ".tlz", ".zipx", ".cpio")
_CHANNEL: Final = "stable"  # that of everybody


def hints(order: Order, name: str, layout: Layout, offered: Callable[[str, str], Index]) -> Iterator[str]:
    """What may be wrong with `order`; `name`: the source's, `offered`: what a product's component has before it."""
    if order.platform == "any":
        yield from _one_platform(name, layout)
    if names.check_version(order.version).is_prerelease and _CHANNEL in order.channels:
        yield f"{order.version} is a pre-release, and is offered in {_CHANNEL}."
    for needed in sorted(order.requires):
        there = offered(*names.split_component(needed))
        if not (there.releases or there.tombstones):
            yield f"{needed}, which it requires, is not published: nobody can install this before it is."
    yield from _parted_state(order, layout)
    if layout.form is Form.FILE and not order.opaque and name.lower().endswith(_OTHER_ARCHIVES):
        yield f"{name} was published as one file: archives of this kind are not read."


def changed_kinds(before: Manifest, layout: Layout) -> Iterator[str]:
    """A sentence if files of the release `before` are of another kind now."""
    old = _kinds(before.entries)
    changed = [(path, old[path], kind) for path, kind in _kinds(layout.entries).items() if old.get(path, kind) != kind]
    if changed:
        path, was, new = changed[0]
        more = f", and {len(changed) - 1} more changed" if len(changed) > 1 else ""
        yield f"{path!r} is of kind {new.value}, and was {was.value} in {before.version}{more}: is that meant?"


def previous(order: Order, offered: Index) -> Release | None:
    """The newest other release of the component for the same platform."""
    lines = [line for line in offered.releases if line.platform == order.platform]
    others = [line for line in lines if line.version != order.version]
    return max(others, key=lambda line: names.check_version(line.version), default=None)


def _parted_state(order: Order, layout: Layout) -> Iterator[str]:
    """A sentence for each folder that is named as state and is not state as a whole, so that SPOT does not link it."""
    paths = [entry.path for entry in layout.entries if isinstance(entry, Directory)]
    named = {path for pattern in order.state for path in kinds.folders(paths, pattern)}
    for folder in sorted(named):
        if any(folder.startswith(f"{other}/") for other in named):
            continue
        below = [entry for entry in layout.entries if entry.path.startswith(f"{folder}/")]
        parting = next((entry.path for entry in below if not _may_be_state(entry, folder)), None)
        if parting is not None and any(isinstance(entry, File) and entry.kind is Kind.STATE for entry in below):
            yield f"What the product adds in {f'{folder}/'!r} will not outlive an update, because of {parting!r}."


def _may_be_state(entry: Entry, folder: str) -> bool:
    """Whether an entry below `folder` leaves it state as a whole (`spot_client.decide.states`)."""
    if isinstance(entry, Symlink):
        reached = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), entry.target))
        return f"{reached}/".startswith(f"{folder}/")
    return isinstance(entry, Directory) or entry.kind is Kind.STATE


def _one_platform(name: str, layout: Layout) -> Iterator[str]:
    hint = "and every system is offered it: is --platform missing?"
    tags = _wheel_platforms(name) if layout.form is not Form.FOLDER else []
    if tags:
        yield f"{name} is for {tags[0]} only, {hint}"
    elif layout.native:
        more = f" and {len(layout.native) - 1} more are" if len(layout.native) > 1 else " is"
        yield f"{layout.native[0]!r}{more} machine code of one system, {hint}"


def _wheel_platforms(name: str) -> list[str]:
    """The platforms that the name of a wheel says; none if it is for any, or no wheel."""
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return []
    return sorted({tag.platform for tag in tags} - {"any"})


def _kinds(entries: tuple[Entry, ...]) -> dict[str, Kind]:
    return {entry.path: entry.kind for entry in entries if isinstance(entry, File)}
