"""Asks a large mirror's memory what a request asks, and changes what it was made of: a program of its own.

    python -m bench.decided FILE      with SPOT_MIRROR_CONFIG set

Beside the real mirror, on the same folder: the memory is filled as the mirror fills its own, and read as it reads it.
Writes one JSON object into FILE; `bench.growth` says what is in it.
"""

import gc
import json
import os
import random
import secrets
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Final, NamedTuple

from bench.filled import PRODUCTS, customer_name
from ca.identity import Identity, Role
from ca.peer import Peer
from mirror import catalogue, config
from mirror.certificates import read_issuer
from mirror.content import policy
from mirror.content.memory import Remembered, Sources
from mirror.memory import place
from mirror.memory.fill import Filler
from mirror.records.protocol import Licence, Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.server import program_log
from spot_client.wire import installation, routes

_DECISIONS: Final = 20_000
_WRITES: Final = 50
_ONE: Final = """SELECT i.id, c.name FROM installation i JOIN customer c ON c.key = i.customer
    WHERE i.key > ? AND c.name LIKE 'customer-%' LIMIT 1"""
_DAY: Final = timedelta(days=1)


class Both(NamedTuple):
    """The two halves of a mirror's memory."""

    filler: Filler
    remembered: Remembered


def main() -> None:
    """Measure, and write down."""
    loaded = config.load(Path(os.environ["SPOT_MIRROR_CONFIG"]))
    taken = place.take(loaded.data_dir / "memory")
    try:
        with closing(open_records(loaded.data_dir / FILE_NAME)) as records:
            found = _measure(loaded, taken.folder, records)
    finally:
        taken.remove()
    Path(sys.argv[1]).write_text(json.dumps(found))


def _measure(loaded: config.Config, folder: Path, records: Records) -> dict[str, float]:
    sources, opened, begun = _sources(loaded, records), place.open_to_fill(folder), time.monotonic()
    filler = Filler(opened, sources, datetime.now(UTC), program_log(StringIO()))
    filled = {
        "fill_s": round(time.monotonic() - begun, 2),
        "memory_bytes": (folder / "data.mdb").stat().st_size,
    }
    both = Both(filler, Remembered(opened, sources))
    try:
        return {**filled, **_decisions(loaded, both.remembered), **_writes(both, records)}
    finally:
        opened.environment.close()


def _sources(loaded: config.Config, records: Records) -> Sources:
    content = loaded.content
    assert content is not None, "a mirror that serves has [content]"  # noqa: S101  made by bench.scene
    return Sources(
        realm=loaded.realm,
        issuers=[read_issuer(Path(path), loaded.realm) for path in content.issuing_cas],
        crls=[Path(path) for path in content.crls],
        grace=_DAY,
        records=records,
        catalogue=loaded.data_dir / "catalogue",
        load=catalogue.load,
        spare=loaded.data_dir / "memory",
    )


def _decisions(loaded: config.Config, remembered: Remembered) -> dict[str, float]:
    """Decisions for manifests of a product that the caller is licensed for; another installation each time."""
    state, now = remembered.state, datetime.now(UTC)
    (issuer,) = state.world.issuers
    asks = []
    for serial, (id_, name) in enumerate(_installations(loaded.data_dir / FILE_NAME), 1000):
        product = int(name.rpartition("-")[2]) % PRODUCTS
        identity = Identity(loaded.realm, Role.CLIENT, name, id_)
        peer = Peer(identity, (), serial, issuer, now - _DAY, now + _DAY)
        asks.append((peer, routes.parse(f"/releases/p{product:02}/c{serial % 10:02}/0.0.0/any/manifest")))
    gc.freeze()
    nanoseconds, allowed = [], 0
    for peer, route in asks:
        begun = time.perf_counter_ns()
        decision = policy.decide(peer=peer, route=route, method="GET", world=state.world, now=now)
        nanoseconds.append(time.perf_counter_ns() - begun)
        allowed += isinstance(decision, policy.Allow)
    assert allowed == len(asks), "everybody here is licensed"  # noqa: S101
    return {f"decision_p{percent}_us": _part(nanoseconds, percent) / 1000 for percent in (50, 99)}


def _installations(path: Path) -> list[tuple[str, str]]:
    draw = random.Random(7)  # noqa: S311  not for secrets
    with closing(sqlite3.connect(path)) as db:
        (most,) = db.execute("SELECT max(key) FROM installation").fetchone()
        numbers = [draw.randrange(most) for _ in range(_DECISIONS)]
        found = [db.execute(_ONE, (number,)).fetchone() for number in numbers]
    return [(id_, name) for id_, name in found]


def _writes(both: Both, records: Records) -> dict[str, float]:
    name = customer_name(0)
    minted: list[str] = []

    def grant(number: int) -> Callable[[], object]:
        records.grant(Licence(name, "p49", ("stable",), date(2020, 1, 1), None, number + 1))
        return partial(_see, both, name, number + 1)

    def mint(_number: int) -> Callable[[], object]:
        def call() -> None:
            id_ = records.mint(name, secrets.token_bytes(32), _drawn, datetime.now(UTC)).id
            both.filler.follow(datetime.now(UTC))
            both.remembered.renew()
            assert both.remembered.state.world.installations.get(id_) == name  # noqa: S101  it is known at once
            minted.append(id_)

        return call

    def put(number: int) -> Callable[[], object]:
        return lambda: records.put_thin_snapshot(minted[number], {"p00/c00": f"1.{number}"}, datetime.now(UTC))

    return {
        "change_visible_ms": _median(grant),
        "mint_ms": _median(mint),
        "thin_snapshot_ms": _median(put),
    }


def _see(both: Both, name: str, number: int) -> None:
    both.filler.refresh(datetime.now(UTC))
    both.remembered.renew()
    held = both.remembered.state.world.licences.get(name) or ()
    assert number in {licence.installations for licence in held}  # noqa: S101  else nothing was measured


def _drawn() -> str:
    return installation.mint(secrets.token_bytes(installation.ID_BYTES))


def _median(prepare: Callable[[int], Callable[[], object]]) -> float:
    """Milliseconds of what `prepare` returns, which is not measured itself."""
    seconds = []
    for number in range(_WRITES):
        call = prepare(number)
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return round(statistics.median(seconds) * 1000, 3)


def _part(values: Sequence[int], percent: int) -> float:
    return sorted(values)[len(values) * percent // 100]


if __name__ == "__main__":
    main()
