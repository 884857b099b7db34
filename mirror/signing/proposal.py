"""What waits, beside what it would change: the differences that people approve, and the files that statements lead to.

The bytes of a file are those that wait, or those that lie in the catalogue already; its digest stands in its name.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from tuf.api.metadata import Root, TargetFile, Targets

from ca import files
from ca.reading import UNREADABLE
from mirror import catalogue
from mirror.catalogue import Chain
from mirror.errors import CatalogueFault, Conflict
from mirror.place import Place
from mirror.signing import bounds, form, marks, review, roles
from mirror.signing import staged as staging
from mirror.signing.review import Difference, Holders
from mirror.signing.ring import Ring
from mirror.signing.staged import Staged, Statement
from spot_client.wire import baselines, halts, index, trust
from spot_client.wire.digest import sha256_hex
from spot_client.wire.errors import WireError

_MOST: Final = 16 * 2**20
"""Bytes that a file which a role lists may have; what waits is not believed to say how many."""


def chain(place: Place) -> Chain | None:
    """The catalogue that clients see, or None before there is one. Raises CatalogueFault, SigningError (`bad-mark`)."""
    there = any((place.catalogue / name).exists() for name in ("timestamp.json", "1.root.json"))
    found, floors = catalogue.read_chain(place.catalogue) if there else None, marks.floors(place)
    versions = {role: one.version for role, one in found.roles.items()} if found else {}
    bounds.check_ahead(versions, floors, str(place.floors), marks.ANEW)
    return marks.newest_root(found, floors) if found else None


def read_staged(place: Place) -> Staged:
    """What waits for signatures. Raises SigningError: reason `bad-staged`."""
    return staging.read(place.staged)


def check(place: Place, known: Chain | None, staged: Staged, changed: Mapping[str, Statement]) -> None:
    """Raise Conflict (`changed-release`, `bad-target`) if statements break what never changes."""
    for role in changed:
        for _ in differences(place, known, staged, role, None):
            pass


def differences(
    place: Place, known: Chain | None, staged: Staged, role: str, ring: Ring | None
) -> Iterator[Difference]:
    """What the next version of `role` changes; `ring` knows the names of keys.

    Raises:
        Conflict: reason `changed-release`, `bad-statement` (as `form.check`), or `bad-target`: it leads to what it may
            not, or to what is not there.
    """
    new = staged.statements[role].signed
    old = known.roles.get(role) if known else None
    number = old.version if old else 0
    form.check(role, new, last=number, floor=marks.floors(place).versions.get(role, 0))
    if role in {"root", "targets"}:
        root, targets = staged.root(known), staged.targets("targets", known)
        if root is not None and targets is not None:
            form.check_apart(role, root, targets)
    if new.version > number + 1:
        yield Difference("restored", f"version {new.version} follows on {number}, for the mirror was restored")
    if isinstance(new, Root):
        yield from review.of_holders(_top(cast("Root | None", old)), _top(new), partial(_name_of, ring))
        return
    before = cast("Targets | None", old)
    if role == "targets":
        if new.targets:
            raise _bad_target("targets", min(new.targets))
        yield from review.of_holders(_delegated(before), _delegated(new), partial(_name_of, ring))
        return
    gone = before.targets.keys() - new.targets.keys() if before else set()
    if gone:
        raise Conflict("changed-release", f"{role} would not list {min(gone)} any more: this must not be signed.")
    for path, target in new.targets.items():
        last = before.targets.get(path) if before else None
        if last != target:
            old_raw = content(place, staged, last) if last else None
            yield from _file(role, path, old_raw, content(place, staged, target))


def leads_to(place: Place, staged: Staged, signed: Targets) -> dict[str, bytes]:
    """The files, by name in the catalogue's folder, that a statement leads to and that are not there yet."""
    found = {}
    for target in signed.targets.values():
        name = _name(target)
        if name in staged.files and not (place.catalogue / name).exists():
            found[name] = content(place, staged, target)
    return found


def _file(role: str, path: str, old: bytes | None, new: bytes) -> Iterator[Difference]:
    """What changes in one file of the catalogue; each role may list its own only."""
    try:
        if role == halts.ROLE:
            named = halts.decode(new)
            expected = halts.target_path(named.product)
            found = review.of_halts(halts.decode(old) if old else None, named)
        elif role == trust.ROLE:
            expected = trust.PATH
            found = review.of_trust(trust.decode(old) if old else None, trust.decode(new), certificate)
        elif path == baselines.target_path(role):
            listed = baselines.decode(new)
            expected = baselines.target_path(listed.product)
            found = review.of_baselines(baselines.decode(old) if old else None, listed)
        else:
            offered = index.decode(new)
            expected = index.target_path(role, offered.component) if offered.product == role else ""
            found = review.of_index(index.decode(old) if old else None, offered)
    except WireError as error:
        raise Conflict("bad-target", f"{path} cannot be read: {error} It must not be signed.") from error
    if expected != path:
        raise _bad_target(role, path)
    yield from found


def content(place: Place, staged: Staged, target: TargetFile) -> bytes:
    """The bytes of a file that a statement leads to. Raises CatalogueFault; Conflict: reason `bad-target`."""
    name = _name(target)
    raw = staged.files.get(name)
    if raw is None:
        try:
            with files.open_ordinary(place.catalogue / name) as file:
                raw = file.read(min(target.length, _MOST) + 1)
        except OSError as error:
            raise CatalogueFault("missing", f"{place.catalogue / name} cannot be read: {error.strerror}.") from error
    if len(raw) != target.length or sha256_hex(raw) != target.hashes.get("sha256"):
        raise Conflict("bad-target", f"{target.path} is not what was signed for it: stage it again.")
    return raw


def _name(target: TargetFile) -> str:
    return f"targets/{target.get_prefixed_paths()[0]}"


def _top(root: Root | None) -> Holders:
    if root is None:
        return {}
    return {role: (line.threshold, frozenset(line.keyids)) for role, line in root.roles.items()}


def _delegated(targets: Targets | None) -> Holders:
    if targets is None:
        return {}
    return {role: (line.threshold, frozenset(line.keyids)) for role, line in roles.delegated(targets).items()}


def _name_of(ring: Ring | None, keyid: str) -> str:
    return (ring.name(keyid) if ring else None) or f"key {keyid}"


def certificate(pem: str) -> str:
    """A short name for a certificate (PEM): the beginning of its SHA-256, and its end. Raises Conflict."""
    try:
        found = x509.load_pem_x509_certificate(pem.encode())
        return f"{found.fingerprint(hashes.SHA256()).hex()[:16]} (until {found.not_valid_after_utc:%Y-%m-%d})"
    except UNREADABLE as error:
        raise Conflict("bad-target", f"A pin is not a certificate ({error}): it must not be signed.") from error


def _bad_target(role: str, path: str) -> Conflict:
    return Conflict("bad-target", f"{role} would list {path}, which is not its own: it must not be signed.")
