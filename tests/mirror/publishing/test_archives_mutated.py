"""Whatever is done to an archive, it is refused in a sentence, or it is a tree that keeps every rule. Nothing else."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import SourceError
from mirror.publishing import pack, tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink, Tree
from spot_client.wire import manifest
from spot_client.wire.manifest import Block, Manifest
from tests.mirror.publishing.rig import opened
from tests.mirror.publishing.tarring import END, PACKERS, honest, member, padded, pax

LIMITS = Limits(entries=50, total_bytes=100_000)
FILES = {"a": b"1" * 700, "bin/tool": b"#!/bin/sh\n", "d/e/deep": b"", "Füße": b"2" * 3000}


def tar_of_everything() -> bytes:
    long = member("x", b"long/" * 30 + b"name\0", kind=tarfile.GNUTYPE_LONGNAME) + member("short", b"3")
    named = pax([("path", "named"), ("mtime", "1.5"), ("size", "5")]) + member("n", b"55555")
    link = member("l", kind=tarfile.SYMTYPE, link="bin/tool")
    return b"".join(
        [pax([("comment", "all")], tarfile.XGLTYPE), padded(honest(FILES).rstrip(b"\0")), long, named, link, END]
    )


def zip_of_everything() -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
        link = zipfile.ZipInfo("l")
        link.external_attr, link.create_system = (stat.S_IFLNK | 0o777) << 16, 3
        archive.writestr(link, b"bin/tool")
        archive.writestr("folder/", b"")
    return raw.getvalue()


WHOLE = {"tar": tar_of_everything(), "zip": zip_of_everything()}
WHOLE |= {ending: PACKERS[ending](WHOLE["tar"]) for ending in ("tar.gz", "tar.bz2", "tar.xz", "tar.zst")}


def keeps_the_rules(found: Tree, platform: str) -> None:
    """The manifest that would be published holds."""
    layout = pack.lay_out(found, lambda *_: None)
    blocks = (Block(1, "0" * 64, layout.size),) if layout.size else ()
    whole = Manifest(product="p", component="c", version="1", platform=platform, entries=layout.entries, blocks=blocks)
    manifest.check(whole)


def read(ending: str, raw: bytes) -> bool:
    """Whether the archive was taken; then it keeps the rules."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{ending}"
        path.write_bytes(raw)
        try:
            with opened(path, LIMITS) as found:
                tree.check_platform(found, "any")
                keeps_the_rules(found, "any")
        except SourceError as error:
            str(error).encode()
            return False
        return True


@pytest.mark.parametrize("ending", WHOLE)
def test_the_archive_that_the_others_are_made_of_is_whole(ending: str) -> None:
    assert read(ending, WHOLE[ending])


CHANGES = st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4)


@pytest.mark.parametrize("ending", WHOLE)
@settings(deadline=None)  # files are written
@given(changes=CHANGES, end=st.none() | st.integers(0, 2**16))
def test_bytes_changed_and_cut_off_are_refused_or_a_tree(
    ending: str, changes: list[tuple[int, int]], end: int | None
) -> None:
    raw = bytearray(WHOLE[ending])
    for place, value in changes:
        raw[place % len(raw)] = value
    read(ending, bytes(raw if end is None else raw[: end % len(raw)]))


@settings(deadline=None)  # files are written
@given(changes=CHANGES)
def test_headers_whose_checksum_was_made_to_fit_are_refused_or_a_tree(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(WHOLE["tar"])
    for place, value in changes:
        start = place % (len(raw) // 512) * 512
        raw[start + value % 345] = (place * 7 + value) % 256
        raw[start + 148 : start + 156] = b" " * 8
        raw[start + 148 : start + 156] = b"%06o\0 " % sum(raw[start : start + 512])
    read("tar", bytes(raw))


@settings(deadline=None)
@given(raw=st.binary(max_size=2000))
def test_bytes_that_are_no_archive_are_refused(raw: bytes) -> None:
    for ending in WHOLE:
        read(ending, raw)


SEGMENTS = [
    "a",
    "A",
    "b",
    "é",
    "É",
    "e\u0301",
    "CON",
    "nul.txt",
    "x.",
    "y ",
    "a:b",
    "C:",
    "..",
    ".",
    "",
    "\u202e",
    "b\\c",
]
NAMES = st.lists(st.sampled_from([*SEGMENTS, "n.spot-new"]), min_size=1, max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(SourceFolder, NAMES),
    st.builds(SourceLink, NAMES, NAMES),
    st.builds(SourceFile, NAMES, st.booleans(), st.just(1), st.just(lambda: iter([b"x"]))),
)
PLATFORMS = st.sampled_from(["any", "linux-x86_64", "macos-arm64", "windows-x86"])


@given(entries=st.lists(ENTRIES, min_size=1, max_size=5), platform=PLATFORMS)
def test_a_tree_that_is_taken_is_a_manifest_that_is_taken(entries: list[SourceEntry], platform: str) -> None:
    try:
        found = tree.build(entries, LIMITS)
        tree.check_platform(found, platform)
    except SourceError:
        return
    keeps_the_rules(found, platform)
