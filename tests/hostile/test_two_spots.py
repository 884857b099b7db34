"""Two SPOTs at once on one installation: one works, the other says who does."""

import threading
from pathlib import Path

import pytest

from tests.e2e.world import NEW, OLD, TOOL, World
from tests.hostile.asking import Reply
from tests.hostile.proxy import Proxy


@pytest.mark.slow
def test_the_second_is_told_who_is_at_work_and_the_first_ends_well(world: World, proxy: Proxy, tmp_path: Path) -> None:
    root = proxy.mislead(world.fresh("acme-old", tmp_path / "root"))
    at_work, go_on = threading.Event(), threading.Event()

    def hold(path: str, reply: Reply) -> Reply:
        if path.endswith("/pack"):
            at_work.set()
            assert go_on.wait(60)
        return reply

    proxy.lie = hold
    first = world.start("spot", "--root", root, "update")
    try:
        assert at_work.wait(60)
        for command in (("update",), ("rollback", TOOL), ("enrol", str(world.folder / "acme.bundle")), ("check",)):
            code, told = world.refused(root, *command)
            assert (code, f"process {first.pid}" in told) == (7, True), told
        assert OLD in world.spot(root, "status")
        assert world.in_use(root) == OLD
    finally:
        go_on.set()
        _, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, "")
    world.check_settled(root, NEW)


def test_the_lock_of_a_killed_run_holds_nobody_up(world: World, proxy: Proxy, tmp_path: Path) -> None:
    root = proxy.mislead(world.fresh("acme-old", tmp_path / "root"))
    at_work = threading.Event()

    def note(_: str, reply: Reply) -> Reply:
        at_work.set()
        return reply

    proxy.lie = note
    first = world.start("spot", "--root", root, "update")
    assert at_work.wait(60)
    first.kill()
    first.communicate(timeout=60)
    world.spot(root, "update")
    world.check_settled(root, NEW)
