"""Blocks of a pack, several at once, over real connections: each once, each verified, nothing lost by a failure."""

import threading
from pathlib import Path

import pytest

from spot_client.errors import LocalFault, NotReachable, NotTrusted, SpotError
from spot_client.fetch.cache import Cache
from spot_client.fetch.releases import Releases, release_route
from spot_client.wire.pack import decode_block, spans
from spot_client.wire.routes import Kind
from tests.spot_client.fetch.conftest import Dialler
from tests.spot_client.fetch.server import Asked, Serve, Server, problem, ranged
from tests.spot_client.vendor import Made, make

BLOCKS = 12


def release() -> Made:
    return make({f"{number:02}": bytes([number]) * 3000 for number in range(BLOCKS)}, block=3000)


@pytest.fixture
def made() -> Made:
    return release()


class Counting:
    """A mirror that answers ranges of a pack, and counts how many it is asked for at the same time."""

    def __init__(self, pack: bytes, together: int) -> None:
        self.pack = pack
        self.most = self._now = self._count = 0
        self._lock = threading.Lock()
        self._meet = threading.Barrier(together)

    def __call__(self, asked: Asked) -> bytes:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            first = self._count < self._meet.parties
            self._count += 1
        if first:
            self._meet.wait(5)  # passes only if so many are really asked for at the same time
        with self._lock:
            self._now -= 1
        return ranged(asked, self.pack)


def asked_ranges(server: Server) -> list[str]:
    return [asked.headers["range"] for asked in server.asked]


def releases(dial: Dialler, server: Server, folder: Path, downloads: int) -> Releases:
    return Releases(dial(server, connections=downloads), Cache(folder / "cache"), folder / "m", downloads=downloads)


@pytest.mark.parametrize(("downloads", "connections"), [(1, 1), (4, 4), (16, BLOCKS)])
def test_so_many_are_fetched_at_the_same_time_over_so_many_connections(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path, *, downloads: int, connections: int
) -> None:
    mirror = Counting(made.pack, connections)
    server = serve(mirror)
    told: list[int] = []
    layout = spans(made.manifest)
    releases(dial, server, tmp_path, downloads).fetch_blocks(made.manifest, layout, told.append)
    assert mirror.most == connections
    assert server.connections == connections
    assert len(server.asked) == BLOCKS
    assert sum(told) == len(made.pack)
    for span in layout:
        packed = (tmp_path / "cache/blocks" / span.block.sha256).read_bytes()
        assert decode_block(packed, span.block)


def test_what_is_here_is_not_fetched_again_and_equal_blocks_are_fetched_once(
    dial: Dialler, serve: Serve, tmp_path: Path
) -> None:
    made = make({"a": b"x" * 3000, "b": b"y" * 3000}, block=3000)
    server = serve(lambda asked: ranged(asked, made.pack))
    ours = releases(dial, server, tmp_path, 4)
    layout = spans(made.manifest)
    ours.fetch_blocks(made.manifest, [*layout, *layout], lambda _: None)
    ours.fetch_blocks(made.manifest, layout, lambda _: pytest.fail("fetched again"))
    for span in layout:
        assert ours.block(made.manifest, span, lambda _: pytest.fail("fetched again"))
    assert len(server.asked) == 2


def test_a_failure_stops_all_and_the_next_call_goes_on_from_there(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    layout = spans(made.manifest)
    bad = layout[5].start
    broken = True

    def behave(asked: Asked) -> bytes:
        if broken and asked.headers["range"].startswith(f"bytes={bad}-"):
            return problem("404 Not Found", "not-found")
        return ranged(asked, made.pack)

    server = serve(behave)
    ours = releases(dial, server, tmp_path, 3)
    with pytest.raises(SpotError) as failed:
        ours.fetch_blocks(made.manifest, layout, lambda _: None)
    assert failed.value.reason == "withheld"
    blocks = tmp_path / "cache/blocks"
    before = sum(path.stat().st_size for path in blocks.iterdir())
    assert 0 < before < len(made.pack)
    broken = False
    server.asked.clear()
    told: list[int] = []
    ours.fetch_blocks(made.manifest, layout, told.append)
    assert {path.name for path in blocks.iterdir()} == {span.block.sha256 for span in layout}
    assert sum(told) == len(made.pack) - before


def test_a_mirror_that_breaks_off_is_asked_for_the_rest_of_each_block_only(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    seen: set[str] = set()

    def hang_up(asked: Asked) -> bytes:
        first, _, last = asked.headers["range"].removeprefix("bytes=").partition("-")
        whole = ranged(asked, made.pack)
        if last in seen:
            return whole
        seen.add(last)
        half = (int(last) - int(first) + 1) // 2
        return whole[:-half].replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)

    server = serve(hang_up)
    told: list[int] = []
    releases(dial, server, tmp_path, 4).fetch_blocks(made.manifest, spans(made.manifest), told.append)
    assert sum(told) == len(made.pack)
    assert len(server.asked) == 2 * BLOCKS


def test_a_block_that_is_not_what_was_signed_is_not_trusted_however_many_are_fetched(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    lie = made.pack[:-1] + bytes([made.pack[-1] ^ 1])
    server = serve(lambda asked: ranged(asked, lie))
    ours = releases(dial, server, tmp_path, 4)
    with pytest.raises(NotTrusted) as failed:
        ours.fetch_blocks(made.manifest, spans(made.manifest), lambda _: None)
    assert failed.value.reason == "bad-block"
    assert not (tmp_path / "cache/blocks" / made.manifest.blocks[-1].sha256).exists()


def test_what_the_caller_raises_while_it_is_told_stops_all(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    server = serve(lambda asked: ranged(asked, made.pack))

    def told(_: int) -> None:
        raise LocalFault("bad-disk", "no")

    with pytest.raises(LocalFault):
        releases(dial, server, tmp_path, 4).fetch_blocks(made.manifest, spans(made.manifest), told)
    assert len(server.asked) <= 4


def test_the_second_mirror_is_asked_by_all_and_first_once_it_has_answered(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    down, up = (
        serve(lambda _: problem("503 Service Unavailable", "unavailable")),
        serve(lambda asked: ranged(asked, made.pack)),
    )
    transport = dial(down, up, connections=4)
    ours = Releases(transport, Cache(tmp_path / "cache"), tmp_path / "m", downloads=4)
    ours.fetch_blocks(made.manifest, spans(made.manifest), lambda _: None)
    assert len(up.asked) == BLOCKS
    assert len(down.asked) <= 4


def test_without_any_mirror_the_failure_is_that_none_can_be_reached(
    dial: Dialler, serve: Serve, made: Made, tmp_path: Path
) -> None:
    server = serve(lambda _: b"")
    with pytest.raises(NotReachable):
        releases(dial, server, tmp_path, 4).fetch_blocks(made.manifest, spans(made.manifest), lambda _: None)
    assert release_route(Kind.PACK, "sdk/tool", "1.0", "any") == server.asked[0].path
