"""A parser with a known fault in it: the fuzzer finds it, shows it, and can show it again."""

import ctypes
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz import run, target, worker
from fuzz.script import change_bytes
from fuzz.target import Broken, Target, judge
from spot_client.wire.errors import FormatError

# A worker forks from one thread; only pytest-xdist, around these tests, has a second, which does nothing meanwhile.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")

FAULT = b"\xff"
SEED = b"a harmless document"
LIMIT = 30.0  # seconds on the clock: a finding ends the run long before


def raises(_: bytes) -> bool:
    raise KeyError("no such key")


def respells(_: bytes) -> bool:
    return target.same("document", b"1.0", b"1")


def reads_no_further(_: bytes) -> bool:
    raise RecursionError


def shouts(_: bytes) -> bool:
    raise FormatError("BAD", "A sentence.")


def obeys(_: bytes) -> bool:
    error = FormatError("bad-document", "")
    error.args = ("\x1b[2J",)
    raise error


def takes_memory(_: bytes) -> bool:
    return len(b"\1" * (target.MEMORY + 2**26)) > 0


def takes_all_memory(_: bytes) -> bool:
    return len(bytes(worker.ADDRESS_SPACE)) > 0


def takes_time(_: bytes) -> bool:
    end = time.process_time() + target.SECONDS + 0.2
    while time.process_time() < end:
        pass
    return True


def hangs(_: bytes) -> bool:
    time.sleep(LIMIT)
    return True


def crashes(_: bytes) -> bool:
    return bool(ctypes.string_at(0))


FAULTS: dict[Callable[[bytes], bool], str] = {
    raises: "KeyError: 'no such key'",
    respells: "document: b'1.0' is not b'1'",
    reads_no_further: "RecursionError",
    shouts: "the reason 'BAD'",
    obeys: "cannot be shown",
    takes_memory: "MiB of memory for",
    takes_all_memory: "MemoryError",
    takes_time: "s of processor time for",
    hangs: "ended by signal 9",
    crashes: "ended by signal 11",
}


def planted(fault: Callable[[bytes], bool]) -> Target:
    def read(raw: bytes) -> bool:
        return fault(raw) if FAULT in raw else True

    return Target(name="planted", seeds=(SEED,), read=read, refusals=(FormatError,), change=change_bytes)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "SECONDS", 1.0)  # filling 320 MiB may take a third of it
    monkeypatch.setattr(run, "PATIENCE", 2.0)


def only(outcomes: list[run.Outcome]) -> run.Finding:
    (outcome,) = outcomes
    assert outcome.finding is not None
    return outcome.finding


def test_memory_that_one_input_took_is_not_forgiven_the_next() -> None:
    sizes = iter((target.MEMORY // 2, target.MEMORY + 2**26))
    greedy = planted(lambda _: len(b"\1" * next(sizes)) > 0)
    assert judge(greedy, FAULT) == "read"
    with pytest.raises(target.Costly, match="MiB of memory for"):
        judge(greedy, FAULT)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found_and_its_input_written_down(fault: Callable[[bytes], bool], tmp_path: Path) -> None:
    broken = planted(fault)
    finding = only(list(run.fuzz([broken], seconds=LIMIT, seed=1, jobs=1, found=tmp_path)))
    assert FAULTS[fault] in finding.said
    assert finding.said in finding.file.with_suffix(".txt").read_text(encoding="utf-8")
    assert finding.file.parent == tmp_path / "planted"
    raw = finding.file.read_bytes()
    assert FAULT in raw
    again = run.reproduce(broken, raw, tmp_path).finding
    assert again is not None
    assert FAULTS[fault] in again.said
    assert run.reproduce(planted(lambda _: True), raw, tmp_path).finding is None


def test_a_finding_is_made_small_and_one_seed_makes_the_same_inputs(tmp_path: Path) -> None:
    files = [
        only(list(run.fuzz([planted(raises)], seconds=LIMIT, seed=seed, jobs=1, found=tmp_path))).file
        for seed in (5, 5)
    ]
    assert files[0] == files[1]
    assert len(files[0].read_bytes()) <= len(SEED) + 1


def test_a_parser_without_fault_has_no_finding_and_its_inputs_are_counted(tmp_path: Path) -> None:
    sound = planted(lambda _: True)
    (outcome,) = run.fuzz([sound], seconds=0.2, seed=1, jobs=2, found=tmp_path)
    assert outcome.finding is None
    assert outcome.told.keys() == {"read"}
    assert outcome.told["read"] >= 100
    assert list(tmp_path.iterdir()) == []


def test_all_targets_have_their_turn_and_one_finding_does_not_end_the_others(tmp_path: Path) -> None:
    targets = [planted(lambda _: True), planted(raises), planted(lambda _: False)]
    outcomes = list(run.fuzz(targets, seconds=0.6, seed=1, jobs=2, found=tmp_path))
    assert sorted(outcome.finding is not None for outcome in outcomes) == [False, False, True]


def test_an_input_is_refused_by_a_documented_error_only() -> None:
    def refuse(_: bytes) -> bool:
        raise FormatError("bad-document", "It is not.")

    refusing = Target(name="planted", seeds=(SEED,), read=refuse, refusals=(FormatError,), change=change_bytes)
    assert judge(refusing, SEED) == "bad-document"
    with pytest.raises(Broken, match="reason"):
        judge(planted(shouts), FAULT)
    silent = Target(name="planted", seeds=(SEED,), read=refuse, refusals=(), change=change_bytes)
    with pytest.raises(FormatError):
        judge(silent, SEED)
