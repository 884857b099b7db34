"""Root does not write into what belongs to the mirror's own user."""

import os
from pathlib import Path

import pytest

from mirror.errors import PublishError, ServeError
from mirror.owner import check_folder, other_owner
from tests.hostile.needs import need_root
from tests.mirror.publishing import rig

NOBODY = 65534


def test_ones_own_folder_or_none_is_nobody_elses(tmp_path: Path) -> None:
    assert other_owner(tmp_path) is None
    assert other_owner(tmp_path / "missing") is None


@pytest.mark.parametrize(("owner", "name"), [(NOBODY, "nobody"), (4242, "4242")])
def test_as_root_publishing_and_serving_are_refused_in_another_users_folder(
    tmp_path: Path, owner: int, name: str
) -> None:
    need_root()
    mirror = rig.new_mirror(tmp_path / "mirror")
    source = rig.folder_of(tmp_path / "source", {"a": b"a"})
    before = mirror.files()
    os.chown(mirror.data, owner, owner)
    with pytest.raises(PublishError, match=f"runuser -u {name} --") as refused:
        mirror.publish(source)
    assert (refused.value.reason, mirror.files()) == ("other-user", before)
    with pytest.raises(ServeError) as not_served:
        check_folder(mirror.data)
    assert not_served.value.reason == "other-user"
