"""Fills a mirror with a large catalogue, signed by two of three people: a program of its own, for `bench.catalogue`.

    python -m bench.large PRODUCTS COMPONENTS RELEASES      with SPOT_MIRROR_CONFIG and SPOT_MIRROR_PASSPHRASE set

COMPONENTS in each of the PRODUCTS, RELEASES in each component. What a release is told to be is made up, except for the
newest of `p00/c00`, `p00/c01` and `p01/c00`, which are real ones of one small file: those are asked for. The catalogue
goes through the mirror's own signing, all of it as one change. Passphrase and keys are those of `init --development`,
to which three people and three holders of the root are added.
"""

import hashlib
import os
import sys
from pathlib import Path
from typing import Final

from mirror import config
from mirror.blobs import LocalBlobs
from mirror.cli.signers import signing
from mirror.signing import holders, people, stage
from mirror.signing.draft import Draft
from mirror.signing.means import Signing
from mirror.signing.switch import changing
from spot_client.wire import baselines, index, manifest, pack
from spot_client.wire.baselines import Baseline, Baselines
from spot_client.wire.digest import sha256_hex
from spot_client.wire.index import Index, Release, Severity
from spot_client.wire.sealed import Seal

PEOPLE: Final = ("anna", "ben", "cleo")
REAL: Final = ("p00/c00", "p00/c01", "p01/c00")
_HOLDERS = ("root-a", "root-b", "root-c")
_REASONS = (*[Severity.BUG] * 6, *[Severity.FEATURE] * 3, Severity.SECURITY)


def main() -> None:
    """Fill the mirror of SPOT_MIRROR_CONFIG."""
    products, components, releases = map(int, sys.argv[1:])
    path = Path(os.environ["SPOT_MIRROR_CONFIG"])
    lines = path.read_text().replace("# high_water = ", "high_water = ").replace("/mnt/elsewhere/", "")
    path.write_text(lines)  # as on a real mirror: the mark grows with the catalogue
    using, data = signing(path), config.load(path).data_dir
    share_out(using)
    with changing(using.place):
        draft = Draft(using)
        for product in (f"p{number:02}" for number in range(products)):
            newest = {}
            for name in (f"c{number:02}" for number in range(components)):
                offered = make_index(data, product, name, releases)
                newest[name] = offered.releases[-1].version
                change = draft.change(product, f"{product}/{name}: new")
                draft.put(index.target_path(product, name), index.encode(offered), change)
            lists = Baselines(product=product, baselines=(Baseline("2026.1", newest, "2026-01-01T00:00:00Z"),))
            draft.put(baselines.target_path(product), baselines.encode(lists), draft.change(product, "2026.1"))
        for name in PEOPLE[:2]:
            people.sign(using.ring, name, draft.known, draft.staged)
        stage.settle(using, draft.known, draft.staged, None)


def share_out(using: Signing) -> None:
    """Let two of three sign for root, targets and all that it delegates; any one of them for halts."""
    for name in (*PEOPLE, *_HOLDERS):
        using.ring.create(name)
    holders.assign(using, "root", 2, _HOLDERS)
    for role, threshold in (("targets", 2), ("house", 2), ("halts", 1)):
        holders.assign(using, role, threshold, PEOPLE)
    with changing(using.place):
        draft = Draft(using)
        for name in using.ring.held():
            people.sign(using.ring, name, draft.known, draft.staged)
        stage.settle(using, draft.known, draft.staged, None)


def make_index(data: Path, product: str, name: str, releases: int) -> Index:
    """An index of versions 1.0.0, 1.0.1 and so on, with what indexes have in life: some notes, some requirements."""
    lines = tuple(_release(product, name, number) for number in range(releases))
    if f"{product}/{name}" in REAL:
        real = _store(data, product, name, lines[-1].version)
        lines = (*lines[:-1], _release(product, name, releases - 1, real))
    return Index(product=product, component=name, releases=lines)


def _release(product: str, name: str, number: int, seal: Seal | None = None) -> Release:
    mark = hashlib.sha256(f"{product}/{name}/{number}".encode()).digest()
    day = number % 336
    return Release(
        version=f"{number // 100}.{number // 10 % 10}.{number % 10}",
        platform="any",
        channels=("beta", "stable") if mark[0] % 4 == 0 else ("stable",),
        manifest=seal or Seal(mark.hex(), 600 + int.from_bytes(mark[1:3], "big") % 2000),
        severity=_REASONS[mark[3] % len(_REASONS)],
        published=f"2025-{day // 28 + 1:02}-{day % 28 + 1:02}T{mark[4] % 24:02}:{mark[5] % 60:02}:{mark[6] % 60:02}Z",
        restart=mark[7] % 8 == 0,
        notes=f"See issue {int.from_bytes(mark[8:10], 'big')}." if mark[10] % 4 == 0 else "",
    )


def _store(data: Path, product: str, name: str, version: str) -> Seal:
    """A release of one small file among the blobs; what to sign for it."""
    content = f"{product}/{name} {version}\n".encode() * 20
    packed, block = pack.encode_block(content, level=1)
    sealed, seal = manifest.encode(
        manifest.Manifest(
            product=product,
            component=name,
            version=version,
            platform="any",
            entries=(manifest.File("about.txt", 0o644, len(content), sha256_hex(content), 0),),
            blocks=(block,),
        ),
        level=1,
    )
    scratch = data / "publishing"
    scratch.mkdir(exist_ok=True)
    for file, raw in (("pack", packed), ("manifest", sealed)):
        (scratch / file).write_bytes(raw)
        LocalBlobs(data).put(f"releases/{product}/{name}/{version}/any/{file}", scratch / file)
    return seal


if __name__ == "__main__":
    main()
