"""SPOT before a server with the right certificate that lies: it refuses, and what is installed stays whole."""

import random
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.world import NEW, OLD, TOOL, World, leftovers
from tests.hostile.asking import Reply
from tests.hostile.proxy import Lie, Proxy


@pytest.fixture
def root(world: World, proxy: Proxy, tmp_path: Path) -> Path:
    return proxy.mislead(world.fresh("acme-old", tmp_path / "root"))


def about(part: str, change: Lie) -> Lie:
    """A lie about paths that have `part` in them, and the truth about all others."""
    return lambda path, reply: change(path, reply) if part in path else reply


def flipped(_: str, reply: Reply) -> Reply:
    body = bytearray(reply.body)
    body[random.Random(len(body)).randrange(len(body))] ^= 1  # noqa: S311  not for secrets
    return reply._replace(body=bytes(body))


def halved(_: str, reply: Reply) -> Reply:
    return reply._replace(body=reply.body[: len(reply.body) // 2])


def lengthened(_: str, reply: Reply) -> Reply:
    return reply._replace(body=reply.body + b"x")


def endless(_: str, __: Reply) -> None:
    return None


def refuses(world: World, root: Path) -> tuple[int, str]:
    """An update fails in a sentence and leaves the old version whole."""
    state = (root / ".spot/state.json").read_bytes()
    code, told = world.refused(root, "update")
    assert world.in_use(root) == OLD
    assert (root / ".spot/state.json").read_bytes() == state
    assert [path.name for path in (root / TOOL / "versions").iterdir()] == [OLD]
    assert leftovers(root) == []
    return code, told


def test_a_server_that_tells_the_truth_is_believed(world: World, proxy: Proxy, root: Path) -> None:
    world.spot(root, "update")
    world.check_settled(root, NEW)
    assert any(path.endswith("/pack") for path in proxy.asked)


@pytest.mark.parametrize("part", ["timestamp.json", "snapshot.json", "targets.json", "sdk.json", "index", "manifest"])
def test_a_flipped_bit_in_signed_metadata_is_not_believed(world: World, proxy: Proxy, root: Path, part: str) -> None:
    shut_catalogue(root)
    proxy.lie = about(part, flipped)
    code, told = refuses(world, root)
    assert code == 3, told


@pytest.mark.slow
def test_a_flipped_bit_in_a_pack_is_not_believed_and_not_kept(world: World, proxy: Proxy, root: Path) -> None:
    proxy.lie = about("/pack", flipped)
    code, told = refuses(world, root)
    assert (code, "not what your vendor signed" in told) == (3, True), told
    proxy.lie = lambda _, reply: reply
    world.spot(root, "update")
    world.check_settled(root, NEW)


def test_the_manifest_of_another_release_is_not_believed(world: World, proxy: Proxy, root: Path) -> None:
    other = (world.folder / f"data/releases/{TOOL}/{OLD}/any/manifest").read_bytes()
    proxy.lie = about("manifest", lambda _, reply: reply._replace(body=other))
    code, told = refuses(world, root)
    assert code == 3, told


def test_an_index_that_was_true_once_is_not_believed_now(world: World, proxy: Proxy, root: Path) -> None:
    """The files of the catalogue are named by digest: another of them in an index's place is not what was signed."""
    shut_catalogue(root)
    indexes = sorted((world.folder / f"data/catalogue/targets/{TOOL}").iterdir())
    assert len(indexes) > 1
    stale = {path.name: path.read_bytes() for path in indexes}

    def exchange(path: str, reply: Reply) -> Reply:
        return reply._replace(body=next(raw for name, raw in stale.items() if not path.endswith(name)))

    proxy.lie = about(".index.json.zst", exchange)
    code, told = refuses(world, root)
    assert code == 3, told


@pytest.mark.slow
def test_an_older_timestamp_than_the_one_seen_is_refused(world: World, proxy: Proxy, root: Path) -> None:
    """A rollback attack: everything is signed and in date, and older than what SPOT has seen (TUF §5.4.3)."""
    old = (world.folder / "data/catalogue/timestamp.json").read_bytes()
    world.succeed("spot-mirror", "resign")
    new = (world.folder / "data/catalogue/timestamp.json").read_bytes()
    kept = root / ".spot/catalogue/timestamp.json"
    world.until(lambda: bool(world.spot(root, "check")) and kept.read_bytes() == new)
    proxy.lie = about("timestamp.json", lambda _, reply: reply._replace(status=200, body=old))
    code, told = refuses(world, root)
    assert code == 3, told


@pytest.mark.slow
def test_a_pack_that_is_cut_off_is_an_answer_to_be_had_later(world: World, proxy: Proxy, root: Path) -> None:
    proxy.lie = about("/pack", halved)
    code, told = refuses(world, root)
    assert code == 4, told
    proxy.lie = lambda _, reply: reply
    world.spot(root, "update")
    world.check_settled(root, NEW)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["timestamp.json", "manifest", "/pack"])
def test_an_endless_body_is_read_no_further_than_it_may_be_long(
    world: World, proxy: Proxy, root: Path, part: str
) -> None:
    proxy.lie = about(part, endless)
    code, told = refuses(world, root)
    assert code == 4, told


@pytest.mark.slow
def test_a_body_longer_than_was_signed_is_refused(world: World, proxy: Proxy, root: Path) -> None:
    proxy.lie = about("manifest", lengthened)
    code, told = refuses(world, root)
    assert code == 4, told


@pytest.fixture
def trap() -> Iterator[socket.socket]:
    """A port that nobody may connect to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.setblocking(False)
        yield listening


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_is_not_followed_anywhere(
    world: World, proxy: Proxy, root: Path, *, trap: socket.socket, scheme: str, status: int
) -> None:
    where = f"{scheme}://127.0.0.1:{trap.getsockname()[1]}/catalogue/timestamp.json"
    proxy.lie = about("timestamp.json", lambda _, __: Reply(status, {"Location": where}, b""))
    code, told = refuses(world, root)
    assert code == 4, told
    with pytest.raises(BlockingIOError):
        trap.accept()


def shut_catalogue(root: Path) -> None:
    """Let SPOT forget what it knows of the catalogue, so that it asks for all of it."""
    for path in sorted((root / ".spot/catalogue").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
