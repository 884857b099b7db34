"""Killed within a refresh that brings new keys for timestamp, snapshot and targets: the next run goes on, and the keys
that were replaced are good for nothing once the root that says so is kept. Nor is what they signed far ahead."""

import copy
import itertools
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Root

from spot_client.errors import NotTrusted
from spot_client.fetch.catalogue import FULL_EVERY, Catalogue
from spot_client.fetch.rules import house_rules
from spot_client.wire.index import target_path
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE
from tests.spot_client.killing import killed
from tests.spot_client.vendor import Line, Vendor

PATH = target_path("sdk", "tool")
OLD, NEW = b"the index under the old keys", b"the index under the new ones"
ROLES = ("timestamp", "snapshot", "targets")

Look = Callable[[Path, Vendor], bytes | None]
WAYS = {"always whole": (None, True), "asks first": (FULL_EVERY, True), "used alone": (None, False)}
"""How long after a whole refresh it first asks for news; whether each run brings the first root."""


@pytest.fixture(params=WAYS)
def look(request: pytest.FixtureRequest) -> Look:
    """A whole run: refresh, then the index, from a mirror that shows what this vendor has."""
    full_every: timedelta | None
    full_every, with_root = WAYS[request.param]

    def run(folder: Path, vendor: Vendor) -> bytes | None:
        catalogue = Catalogue(
            folder,
            Line(vendor.files),
            root=vendor.root if with_root or not folder.exists() else None,
            metadata_base=METADATA_BASE,
            target_base=TARGET_BASE,
            rules=house_rules,
            full_every=full_every,
        )
        catalogue.refresh()
        return catalogue.target(PATH, max_bytes=100)

    return run


def rotate(vendor: Vendor, *roles: str) -> None:
    """Other keys for these roles, and news under them."""
    vendor.repository.replace_keys(*roles)
    vendor.put_index("sdk/tool", NEW)


def newest_root(folder: Path) -> int:
    return max(Metadata[Root].from_file(str(path)).signed.version for path in (folder / "root_history").iterdir())


@pytest.mark.slow
def test_killed_before_any_change_to_a_file_while_the_keys_are_replaced(tmp_path: Path, look: Look) -> None:
    vendor, before = Vendor(), Vendor()
    vendor.put_index("sdk/tool", OLD)
    before.root, before.files = vendor.root, dict(vendor.files)
    template, folder = tmp_path / "template", tmp_path / "folder"
    assert look(template, vendor) == OLD
    rotate(vendor, *ROLES)
    reached = set()
    for step in itertools.count(1):
        shutil.copytree(template, folder, symlinks=True)
        was_killed = killed(lambda: look(folder, vendor), folder, step)
        reached.add(newest_root(folder))
        stale = Path(shutil.copytree(folder, tmp_path / "stale", symlinks=True))
        if newest_root(stale) == 1:
            assert look(stale, before) == OLD
        else:
            with pytest.raises(NotTrusted):
                look(stale, before)
        assert look(folder, vendor) == NEW
        settled(folder, vendor)
        assert look(folder, vendor) == NEW
        shutil.rmtree(folder)
        shutil.rmtree(stale)
        if not was_killed:
            break
    assert step > 15
    assert reached == {1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [("timestamp", "snapshot"), ("timestamp",), ("snapshot",)])
def test_killed_before_any_change_to_a_file_while_new_keys_undo_versions_far_ahead(
    tmp_path: Path, look: Look, replaced: tuple[str, ...]
) -> None:
    """A key of either will do (TUF specification §5.3.11)."""
    vendor = Vendor()
    vendor.put_index("sdk/tool", OLD)
    thief = copy.deepcopy(vendor)
    for statement in (thief.repository.targets, thief.repository.snapshot, thief.repository.timestamp):
        statement.version = 10**6
    thief.repository.sign()
    thief.lay_out()
    template, folder = tmp_path / "template", tmp_path / "folder"
    assert look(template, thief) == OLD
    with pytest.raises(NotTrusted):
        look(Path(shutil.copytree(template, tmp_path / "bound", symlinks=True)), vendor)
    rotate(vendor, *replaced)
    for step in itertools.count(1):
        shutil.copytree(template, folder, symlinks=True)
        was_killed = killed(lambda: look(folder, vendor), folder, step)
        assert look(folder, vendor) == NEW
        settled(folder, vendor)
        shutil.rmtree(folder)
        if not was_killed:
            break
    assert step > 15


def settled(folder: Path, vendor: Vendor) -> None:
    """What lies here is what the mirror shows, all of it."""
    repository = vendor.repository
    assert (folder / "root.json").read_bytes() == repository.metadata["2.root.json"]
    assert (folder / "timestamp.json").read_bytes() == repository.metadata["timestamp.json"]
    for role, signed in (("snapshot", repository.snapshot), ("targets", repository.targets)):
        assert (folder / f"{role}.json").read_bytes() == repository.metadata[f"{signed.version}.{role}.json"]
