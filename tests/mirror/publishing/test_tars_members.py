"""A tar archive of any members: exactly what is in it is read, or it is refused for a reason that one of them gives."""

import io
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Final

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mirror.errors import SourceError
from mirror.publishing import tars
from mirror.publishing.limits import Limits
from mirror.publishing.tree import SourceEntry, SourceFile, SourceFolder, SourceLink
from tests.mirror.publishing.rig import opened
from tests.mirror.publishing.tarring import END, header, padded, pax

quick = settings(deadline=None)  # files are written
LIMITS = Limits(entries=30, total_bytes=100_000)

FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
REFUSED: Final = {
    HARD: "hard-link",
    tarfile.CHRTYPE: "special-file",
    tarfile.BLKTYPE: "special-file",
    tarfile.FIFOTYPE: "special-file",
    tarfile.GNUTYPE_SPARSE: "sparse",
    b"V": "bad-archive",
    b"M": "bad-archive",
    b"Z": "bad-archive",
}

Found = tuple[str, bool, bytes] | SourceFolder | SourceLink


class Member(msgspec.Struct, frozen=True):
    """One member.

    size: of `content`, as its header has it; None for the truth.
    said: where name and target stand; in a pax header also the size.
    """

    name: str
    kind: bytes = FILE
    content: bytes = b""
    size: int | None = None
    mode: int = 0o644
    target: str = ""
    said: str = "ustar"

    @property
    def claimed(self) -> int:
        return len(self.content) if self.size is None else self.size

    @property
    def heads(self) -> bytes:
        """Its header, and the headers before it that name it."""
        name, target, size, before = self.name, self.target, self.claimed, b""
        if self.said == "pax":
            said = [("path", name), ("size", str(size)), ("mtime", "1.5"), ("linkpath", target)]
            name, target, size, before = "short", "x" if target else "", 7, pax(said[: 4 if target else 3])
        elif self.said == "gnu":
            before = _long(tarfile.GNUTYPE_LONGNAME, name) + (
                _long(tarfile.GNUTYPE_LONGLINK, target) if target else b""
            )
            name, target = "short", "x" if target else ""
        one = header(name, kind=self.kind, size=size, mode=self.mode, link=target)
        return before + one

    @property
    def raw(self) -> bytes:
        """All of it."""
        return self.heads + padded(self.content)

    @property
    def refusal(self) -> str | None:
        """Why no release holds it, if its kind or its size says so."""
        if self.kind in REFUSED:
            return REFUSED[self.kind]
        return "bad-archive" if self.kind != FILE and self.claimed else None

    @property
    def path(self) -> str:
        """Where it lies in the tree; "" for the top folder."""
        path = self.name.rstrip("/") if self.kind == FOLDER else self.name
        return "" if path == "." and self.kind == FOLDER else path.removeprefix("./")

    @property
    def found(self) -> Found | None:
        """What it is; None for the top folder."""
        path = self.path
        if self.kind == FILE:
            return path, bool(self.mode & 0o100), padded(self.content)[: self.claimed]
        if self.kind == LINK:
            return SourceLink(path, self.target)
        return SourceFolder(path) if path else None


def _long(kind: bytes, text: str) -> bytes:
    raw = text.encode() + b"\0"
    return header("././@LongLink", kind=kind, size=len(raw)) + padded(raw)


segments = st.sampled_from(["a", "b", "c", "d1", "Füße", "x y"])
names = st.lists(segments, min_size=1, max_size=3).map("/".join)
long_names = st.lists(st.sampled_from(["long" * 20, "name" * 30, "ü" * 50]), min_size=2, max_size=3).map("/".join)
modes = st.sampled_from([0o644, 0o755, 0o600, 0o4711, 0o100, 0])
contents = st.binary(max_size=40) | st.sampled_from([511, 512, 513, 1024]).map(lambda size: b"c" * size)
headers = st.sampled_from(["ustar", "pax", "gnu"])
ANY_KIND = st.sampled_from([FILE, FOLDER, LINK, *REFUSED])


@st.composite
def members(draw: st.DrawFn) -> Member:
    """A member as an honest program writes it: of a kind that a release holds."""
    name, said = (draw(names), draw(headers)) if draw(st.integers(0, 4)) else (draw(long_names), draw(st.just("pax")))
    name = draw(st.sampled_from(["", "./"])) + name
    match draw(st.integers(0, 3)):
        case 0:
            return Member(name + draw(st.sampled_from(["", "/"])), FOLDER, mode=draw(modes), said=said)
        case 1:
            return Member(name, LINK, target=draw(names), said=said)
        case _:
            return Member(name, FILE, draw(contents), mode=draw(modes), said=said)


@st.composite
def odd_members(draw: st.DrawFn) -> Member:
    """A member that may be of any kind, and whose size may be no truth."""
    sizes = st.none() | st.integers(0, 1100) | st.sampled_from([2**20, 2**33])
    size = draw(sizes)
    content = draw(contents)
    return Member(draw(names), draw(ANY_KIND), content, size, draw(modes), draw(names), draw(headers))


def read(raw: bytes) -> list[Found] | str:
    """What the archive holds, in its order; or the reason of its refusal."""
    with TemporaryFile() as file:
        file.write(raw)
        file.flush()
        try:
            return [_plain(entry) for entry in tars.members(file.fileno(), "x.tar")]
        except SourceError as error:
            return error.reason


def _plain(entry: SourceEntry) -> Found:
    if not isinstance(entry, SourceFile):
        return entry
    content = b"".join(entry.read())
    assert len(content) == entry.size
    return entry.path, entry.executable, content


def held(listed: list[Member]) -> list[Found]:
    return [found for one in listed if (found := one.found) is not None]


def by_python(raw: bytes) -> list[Found]:
    """What Python's own tarfile finds."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        return [found for one in archive if (found := _by_python(archive, one)) is not None]


def _by_python(archive: tarfile.TarFile, one: tarfile.TarInfo) -> Found | None:
    content = archive.extractfile(one) if one.isreg() else None
    raw = content.read() if content else b""
    kind = FILE if one.isreg() else one.type
    return Member(one.name, kind, raw, mode=one.mode, target=one.linkname).found


archives = st.lists(members(), max_size=6)


@quick
@given(listed=archives)
@example(listed=[Member("./", FOLDER), Member("./a", content=b"1" * 512)])
def test_what_an_honest_archive_holds_is_read_in_its_order_as_python_reads_it(listed: list[Member]) -> None:
    raw = b"".join(one.raw for one in listed) + END
    assert read(raw) == held(listed) == by_python(raw)


@settings(quick, max_examples=300)
@given(listed=archives, odd=odd_members(), at=st.integers(0, 6))
def test_an_odd_member_holds_as_many_bytes_as_its_header_says_or_is_refused_for_what_it_is(
    listed: list[Member], odd: Member, at: int
) -> None:
    before, after = listed[:at], listed[at:]
    follows = padded(odd.content) + b"".join(one.raw for one in after) + END
    meant: list[Found] | str
    if odd.claimed > len(follows):
        meant = "bad-archive"
    elif odd.refusal:
        meant = odd.refusal
    else:
        taken = msgspec.structs.replace(odd, content=follows[: odd.claimed], size=None)
        last = read(follows[-(-odd.claimed // 512) * 512 :])
        meant = last if isinstance(last, str) else held([*before, taken]) + last
    assert read(b"".join(one.raw for one in before) + odd.heads + follows) == meant


@quick
@given(listed=archives, cut=st.integers(1, 2**13))
def test_an_archive_that_was_cut_short_is_refused(listed: list[Member], cut: int) -> None:
    raw = b"".join(one.raw for one in listed) + END
    assert read(raw[: -1 - cut % len(raw)]) == "bad-archive"


@quick
@given(listed=archives, zeros=st.integers(0, 3000), more=st.binary(min_size=1, max_size=30))
def test_zeros_may_follow_the_end_of_an_archive_and_nothing_else(listed: list[Member], zeros: int, more: bytes) -> None:
    raw = b"".join(one.raw for one in listed) + END + bytes(zeros)
    assert read(raw) == held(listed)
    assert read(raw + more) == ("bad-archive" if any(more) else held(listed))


@quick
@given(listed=archives)
def test_the_tree_of_an_archive_is_its_members_and_the_folders_above_them(listed: list[Member]) -> None:
    found = [(one.path, one.found) for one in listed if one.found is not None]
    above = {path[:at] for path, _ in found for at, char in enumerate(path) if char == "/"}
    wanted = {**{path: SourceFolder(path) for path in above}, **dict(found)}
    reasons = {
        "empty": not found,
        "duplicate": len(dict(found)) < len(found),
        "below-a-file": any(wanted[path] != SourceFolder(path) for path in above),
    }
    with TemporaryDirectory() as named:
        path = Path(named) / "x.tar"
        path.write_bytes(b"".join(one.raw for one in listed) + END)
        result: dict[str, Found] | str
        try:
            with opened(path, LIMITS) as taken:
                result = {one.path: _plain(one) for one in taken.entries}
        except SourceError as error:
            result = error.reason
    if isinstance(result, str):
        assert reasons[result]
    else:
        assert not any(reasons.values())
        assert result == wanted
