"""What a source may hold, and what is refused by name: folders and hostile archives."""

import os
import socket
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import SourceError
from mirror.publishing import tree
from mirror.publishing.limits import Limits
from mirror.publishing.tree import Form, SourceEntry, SourceFile, SourceFolder, SourceLink, Tree
from spot_client.wire import names
from tests.mirror.publishing import tarring
from tests.mirror.publishing.rig import opened

LIMITS = Limits(entries=100, total_bytes=10_000_000, ratio=250)
SYMLINK = stat.S_IFLNK | 0o777


def described(found: Tree) -> list[object]:
    """Entries as plain values, with contents."""
    return [
        (entry.path, oct(entry.mode), b"".join(entry.read())) if isinstance(entry, SourceFile) else entry
        for entry in found.entries
    ]


def listed(path: Path, limits: Limits = LIMITS) -> list[object]:
    with opened(path, limits) as found:
        return described(found)


def refusal(path: Path, limits: Limits = LIMITS) -> SourceError:
    with pytest.raises(SourceError) as error:
        listed(path, limits)
    return error.value


def member(name: str, mode: int | None = None, system: int = 3) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    plain = stat.S_IFDIR | 0o755 if name.endswith("/") else stat.S_IFREG | 0o644
    info.external_attr = (plain if mode is None else mode) << 16
    info.create_system = system
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def archive(path: Path, members: Iterable[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of duplicates
        with zipfile.ZipFile(path, "w") as file:
            for info, content in members:
                file.writestr(member(info) if isinstance(info, str) else info, content)
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    """The same archive with other bytes of the same length, wherever they stand."""
    raw = path.read_bytes()
    assert old in raw
    assert len(old) == len(new)
    path.write_bytes(raw.replace(old, new))
    return path


def test_a_folder_is_listed_whole_sorted_and_with_normal_modes(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "b" / "empty folder").mkdir(parents=True, mode=0o700)
    (top / "b" / "run").write_bytes(b"#!")
    (top / "b" / "run").chmod(0o4711)
    (top / "a-b").write_bytes(b"text")
    (top / "a-b").chmod(0o666)
    (top / "link").symlink_to("./b/run")
    os.link(top / "a-b", top / "hard link")
    assert listed(top) == [
        ("a-b", "0o644", b"text"),
        SourceFolder("b"),
        SourceFolder("b/empty folder"),
        ("b/run", "0o755", b"#!"),
        ("hard link", "0o644", b"text"),
        SourceLink("link", "b/run"),
    ]


def test_a_zip_gives_the_same_tree_as_the_folder_it_was_made_of(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "b").mkdir(parents=True)
    (top / "b" / "run").write_bytes(b"#!")
    (top / "b" / "run").chmod(0o755)
    (top / "link").symlink_to("./b/run")
    packed = archive(
        tmp_path / "x.zip", [(member("b/run", stat.S_IFREG | 0o750), b"#!"), (member("link", SYMLINK), b"./b/run")]
    )
    assert listed(packed) == listed(top)


def test_a_wheel_is_a_zip_and_members_without_a_mode_are_plain_files(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x-1.0-py3-none-any.whl", [(member("x/__init__.py", 0), b"1"), (member("y/", 0), b"")])
    assert listed(packed) == [SourceFolder("x"), ("x/__init__.py", "0o644", b"1"), SourceFolder("y")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../up", "bad-path"),
        ("a/../../up", "bad-path"),
        ("a/..", "bad-path"),
        ("/etc/passwd", "bad-path"),
        ("//host/share", "bad-path"),
        ("a//b", "bad-path"),
        ("./a", "bad-path"),
        ("a\\..\\b", "bad-path"),
        ("C:/windows", "bad-path"),
        ("c:windows", "bad-path"),
        ("line\nbreak", "bad-path"),
        ("e\u0301", "bad-path"),
        ("a" * 256, "bad-path"),
        ("a/" * 600 + "b", "bad-path"),
        ("/", "bad-path"),
        ("a//", "bad-path"),
    ],
)
def test_a_member_that_cannot_lie_in_a_release_is_refused_by_name(tmp_path: Path, name: str, reason: str) -> None:
    error = refusal(archive(tmp_path / "x.zip", [("good", b"1"), (name, b"2")]))
    assert error.reason == reason
    assert repr(name.removesuffix("/"))[:50] in str(error)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("link", "../outside"),
        ("link", "/etc/passwd"),
        ("a/link", "../../outside"),
        ("link", "a/../../outside"),
        ("link", ""),
        ("link", "."),
        ("link", "a\\b"),
        ("link", "x" * 5000),
        ("link", "\udcff"),
    ],
)
def test_a_link_that_leaves_the_tree_is_refused(tmp_path: Path, path: str, target: str) -> None:
    error = refusal(archive(tmp_path / "x.zip", [(member(path, SYMLINK), target.encode("utf-8", "surrogateescape"))]))
    assert error.reason == "bad-link"
    assert path in str(error)


def test_a_link_in_a_folder_that_leaves_the_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path)
    assert refusal(tmp_path / "top").reason == "bad-link"


@pytest.mark.parametrize("upper", [member("up", SYMLINK), member("up")], ids=["link", "file"])
def test_nothing_lies_below_a_link_or_a_file(tmp_path: Path, upper: zipfile.ZipInfo) -> None:
    for order in (1, -1):
        members: list[tuple[zipfile.ZipInfo | str, bytes]] = [(upper, b"target"), ("up/x", b"2")]
        assert refusal(archive(tmp_path / "x.zip", members[::order])).reason == "below-a-file"


def test_the_same_member_twice_is_refused(tmp_path: Path) -> None:
    for twice in ([("a", b"1"), ("a", b"1")], [("a/", b""), ("a/", b"")], [("a", b"1"), ("a/", b"")]):
        assert refusal(archive(tmp_path / "x.zip", twice)).reason == "duplicate"


@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_a_special_member_is_refused(tmp_path: Path, kind: int) -> None:
    assert refusal(archive(tmp_path / "x.zip", [(member("dev", kind | 0o644), b"")])).reason == "special-file"


def test_a_mode_that_is_not_of_unix_says_nothing(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [(member("link", SYMLINK, system=0), b"../x")])
    assert listed(packed) == [("link", "0o644", b"../x")]


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


@pytest.mark.parametrize("make", [_pipe, _socket])
def test_a_special_file_in_a_folder_is_refused(make: Callable[[Path], None]) -> None:
    with TemporaryDirectory(dir="/tmp") as top:  # a socket's path has 108 bytes at most
        make(Path(top) / "x")
        assert refusal(Path(top)).reason == "special-file"


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [("secret", b"1")])
    raw = bytearray(packed.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(signature) + offset] |= 1
    packed.write_bytes(raw)
    assert refusal(packed).reason == "encrypted"


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [("goodXbad", b"1")])
    assert refusal(patched(packed, b"goodXbad", b"good\0bad")).reason == "bad-path"


def test_a_member_of_another_name_in_its_own_header_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [("name", b"1")])
    raw = packed.read_bytes()
    packed.write_bytes(raw.replace(b"name", b"eman", 1))
    assert refusal(packed).reason == "bad-archive"


@pytest.mark.parametrize("size", [0, 999, 1001, 2_000_000])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, size: int) -> None:
    packed = archive(tmp_path / "x.zip", [("a", b"x" * 1000)])
    patched(packed, struct.pack("<I", 1000), struct.pack("<I", size))
    assert refusal(packed).reason == "bad-archive"


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    content = os.urandom(1000)
    packed = archive(tmp_path / "x.zip", [("a", content)])
    patched(packed, content[:500], bytes(500))
    assert refusal(packed).reason == "bad-archive"


def test_methods_that_are_read_without_a_limit_are_refused(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        info = member("a")
        info.compress_type = method
        assert refusal(archive(tmp_path / "x.zip", [(info, b"x" * 1000)])).reason == "bad-archive"


def test_a_compression_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [("zeros", bytes(70 * 2**20))])
    error = refusal(packed, Limits())
    assert error.reason == "bomb"
    assert listed(packed, Limits(ratio=2000))


def test_members_that_share_their_bytes_are_a_bomb(tmp_path: Path) -> None:
    """Overlapping members: a small file with a great many entries that all point at the same compressed bytes."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    content = bytes(2**20)
    packed = body.compress(content) + body.flush()
    sizes = struct.pack("<III", zlib.crc32(content), len(packed), len(content))
    common = struct.pack("<HHHHH", 20, 0, 8, 0, 33) + sizes
    local = b"PK\x03\x04" + common + struct.pack("<HH", 1, 0) + b"a" + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHHHII", 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 5000, 5000, len(entry) * 5000, len(local), 0)
    path = tmp_path / "x.zip"
    path.write_bytes(local + entry * 5000 + end)
    assert refusal(path, Limits()).reason == "bomb"


def test_limits_hold_for_folders_and_archives(tmp_path: Path) -> None:
    files = [(f"d/{number}", b"xx") for number in range(5)]
    packed = archive(tmp_path / "x.zip", files)
    with zipfile.ZipFile(packed) as file:
        file.extractall(tmp_path / "top")
    for path in (packed, tmp_path / "top"):
        assert len(listed(path, Limits(entries=6, total_bytes=10))) == 6
        assert refusal(path, Limits(entries=5)).reason == "too-many"  # the folder above counts
        assert refusal(path, Limits(entries=4)).reason == "too-many"
        assert refusal(path, Limits(total_bytes=9)).reason == "too-large"


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"x")
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    (tmp_path / "top").mkdir()
    cases = {
        "none": "missing",
        "none.zip": "missing",
        "x.tar": "bad-archive",
        "x.zip": "bad-archive",
        "top": "empty",
    }
    assert {name: refusal(tmp_path / name).reason for name in cases} == cases


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    packed = archive(tmp_path / "x.zip", [("a", b"x" * 1000), ("b", b"y" * 1000)])
    whole = packed.read_bytes()
    for length in range(0, len(whole), 7):
        packed.write_bytes(whole[:length])
        assert refusal(packed).reason == "bad-archive"


@pytest.mark.parametrize("change", [b"", b"shorter", b"longer than it was"])
def test_a_file_of_another_length_than_listed_is_noticed(tmp_path: Path, change: bytes) -> None:
    (tmp_path / "a").write_bytes(b"as listed.")
    with opened(tmp_path, LIMITS) as found:
        (tmp_path / "a").write_bytes(change)
        with pytest.raises(SourceError) as error:
            b"".join(found.files[0].read())
    assert error.value.reason == "changed"


def test_a_file_that_became_a_link_or_a_pipe_is_neither_followed_nor_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    with opened(tmp_path, LIMITS) as found:
        (tmp_path / "a").unlink()
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").unlink()
        os.mkfifo(tmp_path / "b")
        for file, reason in zip(found.files, ("unreadable", "changed"), strict=True):
            with pytest.raises(SourceError) as error:
                b"".join(file.read())
            assert error.value.reason == reason


def test_a_file_that_may_not_be_read_is_named() -> None:
    with TemporaryDirectory(dir="/tmp") as top:
        (Path(top) / "secret").write_bytes(b"1")
        (Path(top) / "secret").chmod(0)
        Path(top).chmod(0o755)
        uid = os.geteuid()
        os.seteuid(65534 if uid == 0 else uid)  # root reads everything
        try:
            error = refusal(Path(top))
        finally:
            os.seteuid(uid)
    assert error.reason == "unreadable"
    assert "secret" in str(error)


@pytest.mark.parametrize("kind", ["folder", "file", "file.zip", "file.tar", "file.tar.gz"])
def test_a_source_below_a_folder_that_may_not_be_entered_is_refused_with_what_it_takes(kind: str) -> None:
    with TemporaryDirectory(dir="/tmp") as top:
        source = Path(top) / kind
        source.mkdir() if kind == "folder" else source.write_bytes(b"1")
        uid = os.geteuid()
        Path(top).chmod(0)
        os.seteuid(65534 if uid == 0 else uid)
        try:
            error = refusal(source)
        finally:
            os.seteuid(uid)
            Path(top).chmod(0o700)
    assert error.reason == "unreadable"
    assert "Errno" not in str(error)
    assert f"{source}' cannot be read: Permission denied. The user who publishes must be able" in str(error)
    assert "every folder above it" in str(error)


def test_a_name_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))).write_bytes(b"1")
    assert refusal(tmp_path).reason == "bad-path"


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "C:", "é", "a\\b"]), min_size=1, max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(SourceFolder, NAMES),
    st.builds(SourceLink, NAMES, NAMES),
    st.builds(SourceFile, NAMES, st.booleans(), st.integers(0, 10), st.just(lambda: iter(()))),
)


@given(st.lists(ENTRIES, max_size=6))
def test_a_tree_is_refused_or_keeps_every_rule_of_a_manifest(entries: list[SourceEntry]) -> None:
    try:
        found = tree.build(entries, LIMITS)
    except SourceError:
        return
    paths = [entry.path for entry in found.entries]
    folders = {entry.path for entry in found.entries if isinstance(entry, SourceFolder)}
    assert paths == sorted(set(paths))
    assert {entry.path for entry in entries} <= set(paths)
    for entry in found.entries:
        names.check_path(entry.path)
        assert "/" not in entry.path or entry.path.rpartition("/")[0] in folders
        if isinstance(entry, SourceLink):
            names.check_link(entry.path, entry.target)


@pytest.mark.parametrize("name", ["installer.bin", "app.jar", "x.7z", "tar", "x.tar.lz", "no suffix"])
def test_any_other_file_is_a_tree_of_one_file_under_its_own_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    assert listed(tmp_path / name) == [(name, "0o644", b"content")]
    (tmp_path / name).chmod(0o700)
    with opened(tmp_path / name) as found:
        assert found.form is Form.FILE
        assert described(found) == [(name, "0o755", b"content")]


def test_a_file_is_published_under_the_name_it_was_given_by(tmp_path: Path) -> None:
    (tmp_path / "installer-1.0.bin").write_bytes(b"1")
    (tmp_path / "installer.bin").symlink_to("installer-1.0.bin")
    assert listed(tmp_path / "installer.bin") == [("installer.bin", "0o644", b"1")]


@pytest.mark.parametrize(("name", "form"), [("X.ZIP", Form.ZIP), ("x.WHL", Form.ZIP), ("x.Tar.Gz", Form.TAR)])
def test_the_name_says_what_a_file_is_read_as_and_opaque_overrides_it(tmp_path: Path, name: str, form: Form) -> None:
    if form is Form.ZIP:
        archive(tmp_path / name, [("a", b"1")])
    else:
        tarring.write(tmp_path, tarring.honest({"a": b"1"}), "tar.gz").rename(tmp_path / name)
    with opened(tmp_path / name) as found:
        assert (found.form, [entry.path for entry in found.entries]) == (form, ["a"])
    with opened(tmp_path / name, opaque=True) as found:
        assert (found.form, [entry.path for entry in found.entries]) == (Form.FILE, [name])


def test_a_folder_cannot_be_one_file_and_a_name_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error, opened(tmp_path, opaque=True):
        pass
    assert error.value.reason == "not-a-file"
    (tmp_path / "C:x").write_bytes(b"1")
    assert refusal(tmp_path / "C:x").reason == "bad-path"
    assert refusal(tmp_path / "a\0b").reason in {"missing", "unreadable"}
    (tmp_path / "ring").symlink_to("ring")
    assert refusal(tmp_path / "ring").reason in {"missing", "unreadable"}


def test_a_page_of_perls_manual_begins_like_no_drive(tmp_path: Path) -> None:
    (tmp_path / "B::Deparse.3pm").write_bytes(b"1")
    assert len(listed(tmp_path)) == 1


def lines_of_a_zip(count: int, said: int) -> bytes:
    """The directory of a zip file of `count` members that says of itself that they are `said`."""
    line = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"a"
    assert len(line) == 47
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, said, said, len(line) * count, 0, 0)
    return line * count + end


@pytest.mark.parametrize("said", [1, 100, 60_000])
def test_too_many_members_of_a_zip_are_noticed_before_they_are_listed(
    tmp_path: Path, said: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.zip").write_bytes(lines_of_a_zip(60_000, said))
    monkeypatch.setattr(zipfile, "ZipFile", None)  # were it reached, it would make an object of each
    assert refusal(tmp_path / "x.zip").reason == "too-many"


@pytest.mark.slow
def test_a_gigabyte_from_a_megabyte_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for number in range(16):
            file.writestr(f"{number}", bytes(2**26))
    assert (tmp_path / "x.zip").stat().st_size < 1_100_000
    assert refusal(tmp_path / "x.zip", Limits()).reason == "bomb"
