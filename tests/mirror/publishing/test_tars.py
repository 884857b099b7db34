"""Tar archives as sources: what is read, and what is refused by name. Nothing is ever unpacked by path."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from mirror.errors import SourceError
from mirror.publishing import tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import Form, SourceFile, SourceFolder, SourceLink
from tests.mirror.publishing.rig import folder_of, opened
from tests.mirror.publishing.tarring import END, PACKERS, header, honest, member, padded, patched, pax, record, write
from tests.mirror.publishing.test_source import described

LIMITS = Limits(entries=100, total_bytes=10_000_000, ratio=250)


def listed(path: Path, limits: Limits = LIMITS) -> list[object]:
    with opened(path, limits) as found:
        assert found.form is Form.TAR
        tree.check_platform(found, "any")
        return described(found)


def refusal(folder: Path, raw: bytes, ending: str = "tar") -> SourceError:
    with pytest.raises(SourceError) as error:
        listed(write(folder, raw, ending))
    str(error.value).encode()  # it can be printed, whatever the archive held
    return error.value


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A folder with all that a release may hold."""
    made = folder_of(tmp_path / "top", {"b/run": b"#!", "b/large": os.urandom(70_000), "empty": b"", "lib.so.1": b"1"})
    (made / "b" / "run").chmod(0o750)
    (made / "b" / "nothing here").mkdir()
    (made / "lib.so").symlink_to("./lib.so.1")
    long = made / ("long" * 40) / ("name" * 40) / "Füße"
    long.parent.mkdir(parents=True)
    long.write_bytes(b"deep")
    return made


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar"])
@pytest.mark.parametrize("place", [".", "b empty lib.so lib.so.1 " + "long" * 40])
def test_what_the_tar_command_makes_of_a_folder_is_the_same_tree(top: Path, form: str, place: str) -> None:
    if form == "ustar":
        shutil.rmtree(top / ("long" * 40))  # such names do not fit
        place = place.rpartition(" ")[0] if " " in place else place
    target = top.with_name("x.tar")
    subprocess.run(["tar", f"--format={form}", "-C", top, "-cf", target, *place.split()], check=True)
    with opened(top) as folder:
        assert listed(target) == described(folder)


@pytest.mark.parametrize("ending", PACKERS)
def test_every_compression_gives_the_same_tree(tmp_path: Path, ending: str) -> None:
    files = {"a": b"1" * 70_000, "d/b": b"2"}
    found = listed(write(tmp_path, honest(files), ending))
    assert found == [("a", "0o644", b"1" * 70_000), SourceFolder("d"), ("d/b", "0o644", b"2")]


def test_what_is_unpacked_has_no_name_and_so_is_gone_with_the_process(tmp_path: Path) -> None:
    with opened(write(tmp_path, honest({"a": os.urandom(70_000)}), "tar.gz")) as found:
        assert [*(tmp_path / "x.tar.gz.scratch").iterdir()] == []
        assert len(b"".join(found.files[0].read())) == 70_000


@pytest.mark.parametrize("ending", ["tar.gz", "tar.bz2", "tar.xz", "tar.zst"])
def test_streams_one_after_another_are_read_as_one(tmp_path: Path, ending: str) -> None:
    """As parallel compressors write them."""
    raw = honest({"a": os.urandom(5000)})
    path = tmp_path / f"x.{ending}"
    path.write_bytes(b"".join(PACKERS[ending](raw[at : at + 2000]) for at in range(0, len(raw), 2000)))
    assert listed(path) == listed(write(tmp_path, raw))


def test_files_are_read_in_any_order_and_more_than_once(tmp_path: Path) -> None:
    files = {f"{number}": os.urandom(3000) for number in range(9)}
    with opened(write(tmp_path, honest(files), "tar.xz")) as found:
        for file in (*reversed(found.files), *found.files):
            assert b"".join(file.read()) == files[file.path]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (member("dev", kind=tarfile.CHRTYPE), "special-file"),
        (member("dev", kind=tarfile.BLKTYPE), "special-file"),
        (member("pipe", kind=tarfile.FIFOTYPE), "special-file"),
        (member("a", b"1") + member("b", kind=tarfile.LNKTYPE, link="a"), "hard-link"),
        (member("b", kind=tarfile.LNKTYPE, link="/etc/shadow"), "hard-link"),
        (member("hole", kind=tarfile.GNUTYPE_SPARSE), "sparse"),
        (pax([("GNU.sparse.major", "1"), ("GNU.sparse.name", "hole")]) + member("x", b"1"), "sparse"),
        (pax([("GNU.sparse.size", "9" * 15)]) + member("hole"), "sparse"),
        (member("volume", kind=b"V"), "bad-archive"),
        (member("more", kind=b"M"), "bad-archive"),
        (member("unknown", kind=b"Z"), "bad-archive"),
        (member("/etc/passwd"), "bad-path"),
        (member("../up"), "bad-path"),
        (member("a/../../up"), "bad-path"),
        (member("././a"), "bad-path"),
        (member("a\\b"), "bad-path"),
        (member("C:/x"), "bad-path"),
        (member(".//etc/passwd"), "bad-path"),
        (pax([("path", "/etc/passwd")]) + member("a"), "bad-path"),
        (pax([("path", b"\xff")]) + member("a"), "bad-path"),
        (pax([("path", "")]) + member("a"), "bad-path"),
        (member("x", b"/etc/passwd\0", kind=tarfile.GNUTYPE_LONGNAME) + member("a"), "bad-path"),
        (member("x", b"n" * 5000, kind=tarfile.GNUTYPE_LONGNAME) + member("a"), "bad-path"),
        (member("caf\udce9"), "bad-path"),
        (member("gpj.\u202eexe"), "bad-path"),
        (member("link", kind=tarfile.SYMTYPE, link="/etc"), "bad-link"),
        (member("link", kind=tarfile.SYMTYPE, link="../.."), "bad-link"),
        (pax([("linkpath", "../../out")]) + member("link", kind=tarfile.SYMTYPE, link="a"), "bad-link"),
        (member("x", b"../out\0", kind=tarfile.GNUTYPE_LONGLINK) + member("l", kind=tarfile.SYMTYPE), "bad-link"),
        (member("l", kind=tarfile.SYMTYPE, link="d") + member("l/x", b"1"), "below-a-file"),
        (member("f", b"1") + member("f/x", b"1"), "below-a-file"),
        (member("a", b"1") + member("a", b"2"), "duplicate"),
        (member("a", b"1") + member("./a", b"2"), "duplicate"),
        (member("a", kind=tarfile.SYMTYPE, link="b") + member("a", b"2"), "duplicate"),
        (member("d/", kind=tarfile.DIRTYPE) + member("d", b"2"), "duplicate"),
        (member("a.spot-new", b"1"), "reserved-name"),
        (member("a", kind=tarfile.SYMTYPE, link="a"), "link-loop"),
        (member("./", kind=tarfile.DIRTYPE), "empty"),
        (b"", "empty"),
    ],
)
def test_a_member_that_no_release_holds_is_refused_by_name(tmp_path: Path, raw: bytes, reason: str) -> None:
    assert refusal(tmp_path, raw + END).reason == reason


def test_a_hard_link_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    os.link(tmp_path / "a", tmp_path / "b")
    target = tmp_path / "x.tar"
    subprocess.run(["tar", "-C", tmp_path, "-cf", target, "a", "b"], check=True)
    with pytest.raises(SourceError) as error:
        listed(target)
    assert error.value.reason == "hard-link"
    assert "--hard-dereference" in str(error.value)
    subprocess.run(["tar", "--hard-dereference", "-C", tmp_path, "-cf", target, "a", "b"], check=True)
    assert listed(target) == [("a", "0o644", b"1"), ("b", "0o644", b"1")]


def test_what_the_tar_command_makes_of_a_sparse_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(2**20)
        file.seek(2**19)
        file.write(b"x")
    for form in ("gnu", "pax"):
        target = tmp_path / "x.tar"
        subprocess.run(["tar", f"--format={form}", "--sparse", "-C", tmp_path, "-cf", target, "hole"], check=True)
        with pytest.raises(SourceError) as error:
            listed(target)
        assert error.value.reason == "sparse"
        assert "'hole'" in str(error.value)


GLOBAL = tarfile.XGLTYPE
BIG = bytes([0x80]) + (2**62).to_bytes(11, "big")
NEGATIVE = b"\xff" * 11 + b"\x00"
BROKEN_SIZES = {
    "negative": patched(header("a"), 124, NEGATIVE),
    "negative octal": patched(header("a"), 124, b"-0000000777\0"),
    "huge": patched(header("a"), 124, BIG),
    "not a number": patched(header("a"), 124, b"size?"),
    "of an extended header, negative": patched(header("x", kind=tarfile.XHDTYPE), 124, NEGATIVE),
    "of an extended header, huge": patched(header("x", kind=tarfile.XHDTYPE), 124, BIG),
    "of a long name, huge": patched(header("x", kind=tarfile.GNUTYPE_LONGNAME), 124, BIG),
    "of a link": member("l", b"content", kind=tarfile.SYMTYPE, link="a"),
    "of a folder": member("d/", b"content", kind=tarfile.DIRTYPE),
    "overridden by too much": pax([("size", "1000000")]) + member("a", b"1"),
    "overridden by less than nothing": pax([("size", "-1")]) + member("a", b"1"),
    "overridden by a huge number": pax([("size", "9" * 4000)]) + member("a", b"1"),
    "overridden by no number": pax([("size", "0x10")]) + member("a", b"1"),
    "overridden by a number of another script": pax([("size", "\u0661")]) + member("a", b"1"),
}


@pytest.mark.parametrize("raw", BROKEN_SIZES.values(), ids=BROKEN_SIZES)
def test_a_size_that_cannot_be_is_refused(tmp_path: Path, raw: bytes) -> None:
    assert refusal(tmp_path, raw + END).reason == "bad-archive"


BROKEN_RECORDS = {
    "no length": b"path=a\n",
    "a length that is too long": b"30 path=a\n",
    "a length that is too short": b"3 path=a\n",
    "a length of nothing": b"0 path=a\n",
    "a negative length": b"-9 path=a\n",
    "a length of many digits": b"1" * 5000 + b" path=a\n",
    "no line end": record(b"path=a")[:-1] + b"!",
    "no equals sign": record(b"path"),
    "no key": record(b"=a"),
    "zeros": bytes(20),
}


@pytest.mark.parametrize("raw", BROKEN_RECORDS.values(), ids=BROKEN_RECORDS)
def test_an_extended_header_that_is_damaged_is_refused(tmp_path: Path, raw: bytes) -> None:
    broken = member("x", raw, kind=tarfile.XHDTYPE) + member("a", b"1")
    assert refusal(tmp_path, broken + END).reason == "bad-archive"


def test_an_extended_header_is_read_as_far_as_a_mebibyte(tmp_path: Path) -> None:
    """It is held in memory, so what an archive says of its length is not believed."""
    notes = pax([("SCHILY.xattr.user.note", "x" * 900_000), ("path", "b")])
    assert listed(write(tmp_path, notes + member("a", b"1") + END)) == [("b", "0o644", b"1")]
    notes = pax([("comment", "x" * 1_100_000)])
    assert refusal(tmp_path, notes + member("a", b"1") + END).reason == "bad-archive"


def test_a_global_header_may_tell_stories_but_names_nothing(tmp_path: Path) -> None:
    """`git archive` notes the commit in one."""
    story = pax([("comment", "0123abcd")], GLOBAL)
    assert listed(write(tmp_path, story + member("a", b"1") + END)) == [("a", "0o644", b"1")]
    for key in ("path", "linkpath", "size"):
        assert refusal(tmp_path, pax([(key, "1")], GLOBAL) + member("a", b"1") + END).reason == "bad-archive"


def test_what_an_extended_header_says_is_of_the_next_member_only(tmp_path: Path) -> None:
    raw = pax([("path", "c"), ("size", "2")]) + header("a") + padded(b"22") + member("b", b"1") + END
    assert listed(write(tmp_path, raw)) == [("b", "0o644", b"1"), ("c", "0o644", b"22")]


WHOLE = member("a", b"1" * 600) + member("b", b"2")
BROKEN_ENDS = {
    "no end": WHOLE,
    "half an end": WHOLE + bytes(512),
    "an end that is cut short": WHOLE + END[:-1],
    "a word after the end": WHOLE + END + b"and more",
    "a word far after the end": WHOLE + END + bytes(3 * 2**20) + b"!",
    "another archive after the end": WHOLE + END + member("c", b"3") + END,
    "a zero block between members": member("a", b"1") + bytes(512) + member("b", b"2") + END,
    "a header that is damaged": member("a", b"1") + b"x" * 512 + member("b", b"2") + END,
    "a checksum that does not fit": WHOLE.replace(b"b\0", b"c\0", 1) + END,
    "a name without its member": WHOLE + member("x", b"long\0", kind=tarfile.GNUTYPE_LONGNAME) + END,
    "no tar archive": b"PK\x03\x04" + bytes(2000),
    "nothing": b"",
}


@pytest.mark.parametrize("raw", BROKEN_ENDS.values(), ids=BROKEN_ENDS)
@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_an_archive_that_is_not_whole_is_refused(tmp_path: Path, raw: bytes, ending: str) -> None:
    assert refusal(tmp_path, raw, ending).reason == "bad-archive"


def test_blocks_of_zeros_fill_an_archive_up(tmp_path: Path) -> None:
    assert len(listed(write(tmp_path, WHOLE + END + bytes(20 * 512)))) == 2


def test_every_cut_of_an_archive_is_noticed(tmp_path: Path) -> None:
    for ending in PACKERS:
        whole = write(tmp_path, honest({"a": b"x" * 1000, "b": b"y" * 1000}), ending).read_bytes()
        shortest = 4 * 1024 if ending == "tar" else len(whole)  # Python fills an archive up with zeros
        for length in range(0, shortest, 97):
            (tmp_path / f"x.{ending}").write_bytes(whole[:length])
            with pytest.raises(SourceError) as error:
                listed(tmp_path / f"x.{ending}")
            assert error.value.reason == "bad-archive"


def test_too_many_members_are_noticed_before_the_rest_is_read(tmp_path: Path) -> None:
    raw = b"".join(member(f"{number}") for number in range(101)) + b"what follows is not looked at"
    assert refusal(tmp_path, raw).reason == "too-many"
    with pytest.raises(SourceError) as error:
        listed(write(tmp_path, honest({"a": b"12345", "b": b"12345"})), Limits(total_bytes=9))
    assert error.value.reason == "too-large"


def test_an_archive_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, honest({"a": b"x" * 1000}))
    with opened(path) as found:
        os.truncate(path, 600)
        with pytest.raises(SourceError) as error:
            b"".join(found.files[0].read())
    assert error.value.reason == "changed"


def test_an_archive_holds_what_it_holds_even_in_another_archive(tmp_path: Path) -> None:
    inner = PACKERS["tar.gz"](honest({"../../etc/passwd": b"root"}))
    assert listed(write(tmp_path, honest({"inner.tar.gz": inner}), "tar.gz")) == [("inner.tar.gz", "0o644", inner)]


@pytest.mark.parametrize("name", ["x.tar", "x.tar.gz", "x.zip", "x.bin"])
def test_a_pipe_is_not_waited_for_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SourceError) as error, opened(tmp_path / name):
        pass
    assert error.value.reason == "special-file"


def test_links_are_spelled_as_in_a_folder_and_old_archives_are_read(tmp_path: Path) -> None:
    old = patched(header("d/"), 156, b"\0") + patched(header("d/a"), 156, b"\0")
    raw = old + member("l", kind=tarfile.SYMTYPE, link="./d//a") + member("run", b"1", mode=0o4711) + END
    assert listed(write(tmp_path, raw)) == [
        SourceFolder("d"),
        ("d/a", "0o644", b""),
        SourceLink("l", "d/a"),
        ("run", "0o755", b"1"),
    ]
    with opened(write(tmp_path, raw)) as found:
        assert all(isinstance(entry, SourceFile | SourceFolder | SourceLink) for entry in found.entries)
