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
from typing import Final

from bench.filled import PRODUCTS, customer_name
from ca.identity import Identity, Role
from ca.peer import Peer
from mirror import config
from mirror.content import policy
from mirror.content.world import World
from mirror.filled import Filled
from mirror.log import program_log
from mirror.records.protocol import Licence, Records
from mirror.records.sqlite import FILE_NAME, open_records
from mirror.serving import read_serving
from spot_client.wire import installation, routes
from spot_client.wire.routes import Route

_DECISIONS: Final = 20_000
_WRITES: Final = 50
_ONE: Final = """SELECT i.id, c.name FROM installation i JOIN customer c ON c.key = i.customer
    WHERE i.key > ? AND c.name LIKE 'customer-%' LIMIT 1"""
_DAY: Final = timedelta(days=1)


def main() -> None:
    """Measure, and write down."""
    loaded = config.load(Path(os.environ["SPOT_MIRROR_CONFIG"]))
    with closing(open_records(loaded.data_dir / FILE_NAME)) as records:
        begun = time.monotonic()
        with closing(Filled(read_serving(loaded), records, datetime.now(UTC), program_log(StringIO()))) as filled:
            found = {
                "fill_s": round(time.monotonic() - begun, 2),
                "memory_bytes": (filled.folder / "data.mdb").stat().st_size,
                **_decisions(loaded, filled),
                **_writes(filled, records),
            }
    Path(sys.argv[1]).write_text(json.dumps(found))


def _decisions(loaded: config.Config, filled: Filled) -> dict[str, float]:
    """Decisions for manifests of a product that the caller is licensed for; another installation each time.

    Twice: the first time a process meets a page of the memory, the kernel has to map it, and that is told apart.
    """
    state, now = filled.state, datetime.now(UTC)
    (issuer,) = state.world.issuers
    asks = []
    for serial, (id_, name) in enumerate(_installations(loaded.data_dir / FILE_NAME), 1000):
        product = int(name.rpartition("-")[2]) % PRODUCTS
        identity = Identity(loaded.realm, Role.CLIENT, name, id_)
        peer = Peer(identity, (), serial, issuer, now - _DAY, now + _DAY)
        asks.append((peer, routes.parse(f"/releases/p{product:02}/c{serial % 10:02}/0.0.0/any/manifest")))
    gc.freeze()
    first, again = _passed(asks, state.world, now), _passed(asks, state.world, now)
    return {
        "decision_p50_us": _part(again, 50) / 1000,
        "decision_p99_us": _part(again, 99) / 1000,
        "decision_p99_first_us": _part(first, 99) / 1000,
    }


def _passed(asks: Sequence[tuple[Peer, Route | None]], world: World, now: datetime) -> list[int]:
    """Nanoseconds of each decision."""
    nanoseconds, allowed = [], 0
    for peer, route in asks:
        begun = time.perf_counter_ns()
        decision = policy.decide(peer=peer, route=route, method="GET", world=world, now=now)
        nanoseconds.append(time.perf_counter_ns() - begun)
        allowed += isinstance(decision, policy.Allow)
    assert allowed == len(asks), "everybody here is licensed"  # noqa: S101
    return nanoseconds


def _installations(path: Path) -> list[tuple[str, str]]:
    draw = random.Random(7)  # noqa: S311  not for secrets
    with closing(sqlite3.connect(path)) as db:
        (most,) = db.execute("SELECT max(key) FROM installation").fetchone()
        numbers = [draw.randrange(most) for _ in range(_DECISIONS)]
        found = [db.execute(_ONE, (number,)).fetchone() for number in numbers]
    return [(id_, name) for id_, name in found]


def _writes(filled: Filled, records: Records) -> dict[str, float]:
    name = customer_name(0)
    minted: list[str] = []

    def grant(number: int) -> Callable[[], object]:
        records.grant(Licence(name, "p49", ("stable",), date(2020, 1, 1), None, number + 1))
        return partial(_see, filled, name, number + 1)

    def mint(_number: int) -> Callable[[], object]:
        def call() -> None:
            id_ = records.mint(name, secrets.token_bytes(32), _drawn, datetime.now(UTC)).id
            filled.minted(datetime.now(UTC))
            assert filled.state.world.installations.get(id_) == name  # noqa: S101  it is known at once
            minted.append(id_)

        return call

    def put(number: int) -> Callable[[], object]:
        return lambda: records.put_thin_snapshot(minted[number], {"p00/c00": f"1.{number}"}, datetime.now(UTC))

    return {
        "change_visible_ms": _median(grant),
        "mint_ms": _median(mint),
        "thin_snapshot_ms": _median(put),
    }


def _see(filled: Filled, name: str, number: int) -> None:
    filled.refresh(datetime.now(UTC))
    held = filled.state.world.holders.get(name)
    assert held is not None  # noqa: S101
    assert number in {licence.installations for licence in held.licences}  # noqa: S101  else nothing was measured


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
