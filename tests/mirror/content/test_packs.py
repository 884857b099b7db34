"""mirror.content.packs: small packs are held to their blocks and kept, of large ones the length is known."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mirror.blobs import LocalBlobs
from mirror.content import packs
from mirror.content.packs import MAX_SMALL, Packs
from mirror.errors import BlobFault
from spot_client.wire import sealed
from tests.mirror.content.rig import Published, make_release

FOLDER = "releases/sdk/tool/1.0/any"
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def release(tmp_path: Path) -> Published:
    return make_release(tmp_path, "sdk/tool", "1.0", CONTENT)


def reason(caught: pytest.ExceptionInfo[BlobFault]) -> str:
    return caught.value.reason


async def test_a_small_pack_is_read_once_and_then_held(tmp_path: Path, release: Published) -> None:
    held = Packs(LocalBlobs(tmp_path))
    assert held.held(release.seal) is None
    assert held.length(release.seal) is None
    found = await held.read(FOLDER, release.seal)
    assert found is not None
    assert found.raw == release.pack
    assert held.held(release.seal) is found
    assert held.length(release.seal) == len(release.pack)
    (tmp_path / FOLDER / "pack").unlink()
    assert await held.read(FOLDER, release.seal) is found


@pytest.mark.parametrize("place", [0, 5, -1])
async def test_one_with_a_flipped_bit_is_a_fault_and_looked_at_again(
    tmp_path: Path, release: Published, place: int
) -> None:
    raw = bytearray(release.pack)
    raw[place] ^= 1
    (tmp_path / FOLDER / "pack").write_bytes(raw)
    held = Packs(LocalBlobs(tmp_path))
    with pytest.raises(BlobFault) as caught:
        await held.read(FOLDER, release.seal)
    assert reason(caught) == "damaged"
    (tmp_path / FOLDER / "pack").write_bytes(release.pack)
    found = await held.read(FOLDER, release.seal)
    assert found is not None
    assert found.raw == release.pack


@pytest.mark.parametrize("change", [lambda raw: raw[:-1], lambda raw: raw + b"x", lambda _: b""])
async def test_one_of_another_length_is_a_fault(tmp_path: Path, release: Published, change: object) -> None:
    assert callable(change)
    (tmp_path / FOLDER / "pack").write_bytes(change(release.pack))
    with pytest.raises(BlobFault) as caught:
        await Packs(LocalBlobs(tmp_path)).read(FOLDER, release.seal)
    assert reason(caught) == "wrong-length"


async def test_of_a_large_one_the_length_is_known_and_nothing_is_held(
    tmp_path: Path, release: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "MAX_SMALL", len(release.pack) - 1)
    held = Packs(LocalBlobs(tmp_path))
    assert await held.read(FOLDER, release.seal) is None
    assert held.held(release.seal) is None
    assert held.length(release.seal) == len(release.pack)
    assert len(release.pack) < MAX_SMALL


async def test_a_manifest_that_is_not_what_was_signed_says_nothing_of_its_pack(
    tmp_path: Path, release: Published
) -> None:
    raw = bytearray(release.manifest)
    raw[-1] ^= 1
    (tmp_path / FOLDER / "manifest").write_bytes(raw)
    held = Packs(LocalBlobs(tmp_path))
    with pytest.raises(BlobFault) as caught:
        await held.read(FOLDER, release.seal)
    assert reason(caught) == "damaged"
    assert held.length(release.seal) is None


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"blocks":[{"length":0,"sha256":"","size":1}]}', b"nonsense"])
async def test_one_that_was_signed_and_is_no_manifest_is_a_fault(tmp_path: Path, content: bytes) -> None:
    raw, seal = sealed.seal(content, level=1)
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "manifest").write_bytes(raw)
    with pytest.raises(BlobFault) as caught:
        await Packs(LocalBlobs(tmp_path)).read(FOLDER, seal)
    assert reason(caught) == "damaged"


async def test_however_many_ask_at_once_it_is_looked_up_once(
    tmp_path: Path, release: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most in (MAX_SMALL, len(release.pack) - 1):
        monkeypatch.setattr(packs, "MAX_SMALL", most)
        held = Packs(LocalBlobs(tmp_path))
        looked: list[str] = []
        blocks = held._blocks

        def counted(folder: str, seal: sealed.Seal, blocks: Any = blocks, looked: list[str] = looked) -> Any:
            looked.append(folder)
            return blocks(folder, seal)

        monkeypatch.setattr(held, "_blocks", counted)
        found = await asyncio.gather(*(held.read(FOLDER, release.seal) for _ in range(20)))
        assert looked == [FOLDER]
        assert len({id(one) for one in found}) == 1
        assert held.length(release.seal) == len(release.pack)


async def test_the_least_recently_asked_for_is_forgotten_first(tmp_path: Path) -> None:
    made = [make_release(tmp_path, "sdk/tool", f"1.{number}", CONTENT) for number in range(3)]
    held = Packs(LocalBlobs(tmp_path), max_held=2 * len(made[0].pack))
    for number in (0, 1, 0, 2):
        await held.read(f"releases/sdk/tool/1.{number}/any", made[number].seal)
    assert [held.held(one.seal) is not None for one in made] == [True, False, True]
    assert msgspec.structs.astuple(made[0].seal) != msgspec.structs.astuple(made[1].seal)
