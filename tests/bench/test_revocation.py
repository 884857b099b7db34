"""bench.revocation: each situation ends with a refusal, and who is not refused ends the bench."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from bench import revocation
from bench.measure import ProgramFailed
from bench.refused import SITUATIONS


@pytest.mark.slow
def test_a_revoked_client_is_refused_in_every_situation(tmp_path: Path) -> None:
    told: list[str] = []
    rows = revocation.play(tmp_path, 1, told.append)
    assert [row["situation"] for row in rows] == list(SITUATIONS)
    for row in rows:
        assert row["n"] == 1
        assert 0 <= row["p50"] == row["p99"] < row["command_p50"] == row["command_p99"]
    lines = revocation.to_table(rows).splitlines()
    assert len(lines) == len(SITUATIONS) + 2
    assert lines[-1] == "goal: p99 of 1.0 s at most"
    assert told == ["making a mirror", "0 of 1"]


def test_p99_is_what_99_of_a_hundred_do_not_exceed() -> None:
    assert revocation._p99([*range(1, 101)]) == 99
    assert revocation._p99([3.0, 1.0]) == 3.0


def test_a_client_that_is_not_served_ends_it_with_its_problem() -> None:
    def refuse(*_: object) -> float:
        raise ProgramFailed("a new certificate is refused")

    served = Barrier(2, timeout=10)
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(revocation._watched, refuse, None, served)  # type: ignore[arg-type]
        with pytest.raises(ProgramFailed, match="a new certificate is refused"):
            revocation._wait(served, [one])
