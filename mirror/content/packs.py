"""What a pack must be: the manifest that is signed for says how long it is, and what each block of it is.

Small packs are held in memory, once every block was held to that; of large ones the length is compared before a byte
of them is served. What was flipped in a large one is found by SPOT and by `spot-mirror scrub`.
"""

from collections import OrderedDict
from functools import partial
from typing import Final

import msgspec

from mirror.blobs import Blobs
from mirror.content.cache import Cache
from mirror.content.shelf import MAX_MANIFEST, Shelved
from mirror.errors import BlobFault
from spot_client.wire import sealed
from spot_client.wire.digest import Blob, verify
from spot_client.wire.errors import WireError
from spot_client.wire.manifest import Block
from spot_client.wire.sealed import Seal

MAX_SMALL: Final = 2**20
"""Longest pack that is held, in bytes."""
MAX_PACKS: Final = 64 * 2**20
"""Bytes of packs that are held."""
_MAX_CONTENT: Final = 64 * 2**20  # bytes of a manifest that are looked through for its blocks
_REMEMBERED: Final = 16_384  # releases


class _Blocks(msgspec.Struct):
    """A manifest, as far as it speaks of the pack."""

    blocks: tuple[Block, ...]


class _Large(Exception):
    """No error, but what a look-up found; so all who wait for it are told."""

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self.length = length


class Packs:
    """The packs of a store, by what is signed for their manifests. For one event loop; they are read in threads."""

    def __init__(self, blobs: Blobs, *, max_held: int = MAX_PACKS) -> None:
        self._blobs = blobs
        self._cache = Cache[Shelved](max_held)
        self._lengths: OrderedDict[str, int] = OrderedDict()

    def held(self, seal: Seal) -> Shelved | None:
        """The pack, if it is in memory, at once."""
        return self._cache.held(seal.head)

    def length(self, seal: Seal) -> int | None:
        """How long it must be, in bytes, if that was looked up before."""
        return self._lengths.get(seal.head)

    async def read(self, folder: str, seal: Seal) -> Shelved | None:
        """A small pack, once it is known to be what it must be; None for a large one, whose `length` is known then.

        Its `sha256` is that of the manifest's head. `folder`: the key above its manifest and itself.

        Raises:
            BlobFault: reason `damaged` or `wrong-length`, or as `Blobs.pieces`.
        """
        try:
            found = await self._cache.read(seal.head, partial(self._load, folder, seal))
        except _Large as large:
            self._remember(seal, large.length)
            return None
        self._remember(seal, len(found.raw))
        return found

    def _remember(self, seal: Seal, length: int) -> None:
        self._lengths[seal.head] = length
        self._lengths.move_to_end(seal.head)
        if len(self._lengths) > _REMEMBERED:
            self._lengths.popitem(last=False)

    def _blocks(self, folder: str, seal: Seal) -> tuple[Block, ...]:
        key = f"{folder}/manifest"
        raw = b"".join(self._blobs.pieces(key, (seal.length,)))
        try:
            content = sealed.unseal(raw, seal, max_size=_MAX_CONTENT, what=key)
            return msgspec.json.decode(content, type=_Blocks).blocks
        except (WireError, msgspec.DecodeError) as error:
            raise BlobFault("damaged", str(error)) from error

    def _load(self, folder: str, seal: Seal) -> Shelved:
        key, blocks = f"{folder}/pack", self._blocks(folder, seal)
        length = sum(block.length for block in blocks)
        if length > MAX_SMALL:
            raise _Large(length)
        pieces = [*self._blobs.pieces(key, [block.length for block in blocks])]
        try:
            for piece, block in zip(pieces, blocks, strict=True):
                verify(piece, Blob(block.length, block.sha256), key)
        except WireError as error:
            raise BlobFault("damaged", str(error)) from error
        return Shelved(b"".join(pieces), seal.head)


def is_looked_up(seal: Seal) -> bool:
    """Whether the manifest is short enough to be looked through."""
    return seal.length <= MAX_MANIFEST
