"""How to get the contents of a release for the fewest bytes: wanted manifest + what is here → steps and cost. Pure.

Each distinct content comes from one place: the tree of a release that is installed, the cache, or blocks of the pack.
What is claimed to be here is hashed only when it is used; if it turns out to be something else, the same plan is made
again without it.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from spot_client.wire.manifest import Block, File, Manifest
from spot_client.wire.pack import Span, spans


class FromTree(msgspec.Struct, frozen=True):
    """Copy it from an installed file; `path` is relative to the installation root."""

    path: str


class FromCache(msgspec.Struct, frozen=True):
    """Copy it from the cache."""


class FromPack(msgspec.Struct, frozen=True):
    """Unpack it from blocks, into the cache."""


Source = FromTree | FromCache | FromPack


class Plan(msgspec.Struct, frozen=True):
    """Where each content comes from, which blocks are needed, and what that costs.

    sources: by SHA-256 of the content, for every file that is to be written.
    unpack: one file of each content that comes from the pack, by place in the content stream.
    blocks: the blocks that hold those, in order.
    wire_bytes: bytes of them that are not on hand yet, equal blocks once.
    disk_bytes: bytes that the new tree and the cache will take.
    """

    sources: dict[str, Source]
    unpack: tuple[File, ...]
    blocks: tuple[Span, ...]
    wire_bytes: int
    disk_bytes: int


def plan(
    manifest: Manifest,
    *,
    trees: Mapping[str, str],
    cached: Collection[str],
    blocks_here: Mapping[str, int],
    skip: Collection[str] = (),
) -> Plan:
    """Plan a release.

    Args:
        trees: path below the installation root by SHA-256, for contents of installed releases.
        cached: SHA-256 of contents in the cache.
        blocks_here: bytes on hand by SHA-256 of a block.
        skip: paths of files that are not to be written.
    """
    files = [file for file in manifest.files if file.path not in skip]
    contents = {file.sha256: file for file in files}
    sources = {sha256: _source(file, trees, cached) for sha256, file in contents.items()}
    missing = [file for sha256, file in contents.items() if isinstance(sources[sha256], FromPack)]
    unpack = tuple(sorted(missing, key=lambda file: (file.offset, file.size)))
    blocks = _touched(spans(manifest), unpack)
    return Plan(
        sources=sources,
        unpack=unpack,
        blocks=blocks,
        wire_bytes=sum(_left(block, blocks_here) for block in {span.block for span in blocks}),
        disk_bytes=sum(file.size for file in files)
        + sum(file.size for file in unpack)
        + sum(span.block.length for span in blocks),
    )


def _touched(layout: Sequence[Span], files: Sequence[File]) -> tuple[Span, ...]:
    """The blocks that hold a part of a file, in order; the files come by place in the content stream."""
    found = []
    following, end = 0, 0  # the next file; where the files before it end that reaches furthest
    for span in layout:
        while following < len(files) and files[following].offset < span.offset + span.block.size:
            end = max(end, files[following].offset + files[following].size)
            following += 1
        if end > span.offset:
            found.append(span)
    return tuple(found)


def _source(file: File, trees: Mapping[str, str], cached: Collection[str]) -> Source:
    if file.sha256 in cached:
        return FromCache()
    if file.sha256 in trees:
        return FromTree(trees[file.sha256])
    return FromPack()


def _left(block: Block, blocks_here: Mapping[str, int]) -> int:
    here = blocks_here.get(block.sha256, 0)
    return block.length - here if here <= block.length else block.length
