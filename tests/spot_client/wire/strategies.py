"""Documents that keep the rules, made at random."""

from hypothesis import strategies as st
from packaging.version import Version

from spot_client.wire import names, portable
from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.errors import BadName
from spot_client.wire.halts import Halt, Halts
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.manifest import Block, Directory, Entry, File, Hook, Kind, Manifest, Symlink
from spot_client.wire.sealed import Seal
from spot_client.wire.trust import OfficialMirror, Trust

SEGMENTS = ["a", "b", "B", "a-b", "ü", "x.y", " "]
FILE_MODES = [0o400, 0o644, 0o755]

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
products = ids.filter(lambda name: name not in names.RESERVED_PRODUCTS)
components = st.builds("{}/{}".format, products, ids)
sha256s = st.binary(min_size=32, max_size=32).map(bytes.hex)
platforms = st.sampled_from(["any", "linux-x86_64", "linux-arm64", "macos-arm64", "windows-x86"])
plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
moments = st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0"))


@st.composite
def versions(draw: st.DrawFn) -> str:
    numbers = draw(st.lists(st.integers(0, 2000), min_size=1, max_size=4))
    tail = draw(st.sampled_from(["", "a1", "b2", "rc3", ".post4", ".dev5", "rc1.post2.dev3", "+local.7"]))
    epoch = draw(st.sampled_from(["", "1!"]))
    return epoch + ".".join(map(str, numbers)) + tail


def is_inside(path: str, target: str) -> bool:
    try:
        return names.check_link(path, target) == target
    except BadName:
        return False


@st.composite
def trees(draw: st.DrawFn) -> list[Directory | Symlink]:
    """Folders, and links anywhere in them that pass `check_link`; sorted by path."""
    folders = {""}
    entries: dict[str, Directory | Symlink] = {}
    for _ in range(draw(st.integers(1, 14))):
        folder = draw(st.sampled_from(sorted(folders)))
        path = f"{folder}/{draw(st.sampled_from(SEGMENTS))}".lstrip("/")
        if path in entries:
            continue
        if draw(st.booleans()):
            entries[path] = Directory(path, draw(st.sampled_from([0o700, 0o755])))
            folders.add(path)
            continue
        steps = st.lists(st.sampled_from([*SEGMENTS, *entries, "..", ".", "", "/"]), max_size=4).map("/".join)
        climbs = "../" * draw(st.integers(0, path.count("/")))
        target = draw(st.one_of(steps, steps.map(climbs.__add__)))
        if is_inside(path, target):
            entries[path] = Symlink(path, target)
    return [entries[path] for path in sorted(entries)]


def is_portable(entries: list[Directory | Symlink], platform: str) -> bool:
    links = {entry.path: entry.target for entry in entries if isinstance(entry, Symlink)}
    try:
        portable.check([entry.path for entry in entries], links, platform)
    except BadName:
        return False
    return True


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    platform = draw(platforms)
    tree: list[Directory | Symlink] = []
    for entry in draw(trees()):
        above = entry.path.rpartition("/")[0]
        if (not above or above in {one.path for one in tree}) and is_portable([*tree, entry], platform):
            tree.append(entry)
    folders = ["", *(entry.path for entry in tree if isinstance(entry, Directory))]
    blocks = tuple(
        Block(draw(st.integers(1, 2**24)), draw(sha256s), draw(st.integers(1, 2**24)))
        for _ in range(draw(st.integers(0, 3)))
    )
    stream = sum(block.size for block in blocks)
    entries: dict[str, Entry] = {entry.path: entry for entry in tree}
    for number in range(draw(st.integers(0, 4))):
        path = f"{draw(st.sampled_from(folders))}/file{number}".lstrip("/")
        size = draw(st.integers(0, stream))
        offset = draw(st.integers(0, stream - size)) if size else 0
        mode, kind = draw(st.sampled_from(FILE_MODES)), draw(st.sampled_from(Kind))
        entries[path] = File(path, mode, size, f"{number:064x}", offset, kind)
    commands = [path for path, entry in entries.items() if isinstance(entry, File) and entry.mode & 0o100]
    event, words = draw(st.sampled_from(["pre-install", "post-uninstall"])), draw(st.lists(ids, max_size=2))
    return Manifest(
        product=draw(products),
        component=draw(ids),
        version=draw(versions()),
        platform=platform,
        entries=tuple(entries[path] for path in sorted(entries)),
        blocks=blocks,
        hooks=tuple(Hook(event, (path, *words), draw(st.integers(1, 86_400))) for path in commands[:1]),
    )


@st.composite
def indexes(draw: st.DrawFn) -> Index:
    pairs = st.tuples(versions(), platforms)
    known = draw(st.lists(pairs, unique_by=lambda pair: (Version(pair[0]), pair[1]), max_size=5))
    known.sort(key=lambda pair: (Version(pair[0]), pair[1]))
    releases, tombstones = [], []
    for version, platform in known:
        if draw(st.booleans()):
            tombstones.append(Tombstone(version, platform, draw(moments), draw(plain_text)))
            continue
        release = Release(
            version,
            platform,
            tuple(sorted(draw(st.sets(ids, min_size=1, max_size=3)))),
            Seal(draw(sha256s), draw(st.integers(0, 2**40))),
            draw(st.sampled_from(Severity)),
            draw(moments),
            draw(st.booleans()),
            draw(plain_text),
            draw(st.dictionaries(components, st.sampled_from(["", ">=1", "~=2.1,!=2.1.3"]), max_size=2)),
        )
        releases.append(release)
    return Index(product=draw(products), component=draw(ids), releases=tuple(releases), tombstones=tuple(tombstones))


@st.composite
def baseline_lists(draw: st.DrawFn) -> Baselines:
    called = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", fullmatch=True)
    known = draw(st.lists(called, unique_by=str.lower, max_size=3))
    sets = st.dictionaries(ids, versions(), min_size=1, max_size=3)
    lines = tuple(Baseline(name, draw(sets), draw(moments), draw(plain_text)) for name in known)
    return Baselines(product=draw(products), baselines=lines)


@st.composite
def halt_lists(draw: st.DrawFn) -> Halts:
    releases = st.tuples(ids, versions().map(Version), platforms)
    known = sorted(draw(st.sets(releases, max_size=4)))
    lines = tuple(Halt(name, str(version), one, draw(moments), draw(plain_text)) for name, version, one in known)
    return Halts(product=draw(products), halts=lines)


@st.composite
def mirror_lists(draw: st.DrawFn) -> Trust:
    hosts = st.from_regex(r"[a-z0-9.\[\]:-]{1,40}", fullmatch=True)
    known = draw(st.lists(hosts, unique=True, min_size=1, max_size=4))
    pem = st.text(st.characters(codec="ascii"), min_size=1, max_size=30)
    lines = (
        OfficialMirror(f"https://{host}", draw(pem), draw(pem | st.none()), draw(pem | st.none())) for host in known
    )
    return Trust(mirrors=tuple(lines))


@st.composite
def mutated(draw: st.DrawFn, raw: bytes) -> bytes:
    """`raw` with a few bytes changed, put in or taken out, or a piece of it repeated."""
    data = bytearray(raw)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from([b"", b" ", b"0", b",", b'"', b"\\u0061", b"\xff", b"\0"]) | st.binary(max_size=2))
        data[at : at + draw(st.integers(0, 2))] = piece
    return bytes(data)
