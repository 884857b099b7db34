"""The processes of `serve`: killed under load, cut off from control, and told of every change. Real ones."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from mirror.control.pace import SAVED
from mirror.records.protocol import Licence
from spot_client.wire import thin_snapshot
from tests.ca.house import der_of
from tests.mirror.content.rig import LISTS, LONG_AGO, Caller, Mirror, make_index, make_release, sign_catalogue
from tests.mirror.control.processes import load, logged, on_each, runs, workers

PACK = "/releases/sdk/botocore/1.40.0/any/pack"
NEWER = PACK.replace("1.40.0", "1.41.0")
FREE = "[content.limits]\nthin_snapshot_seconds = 0"


@pytest.mark.slow
def test_a_worker_killed_under_load_is_started_anew_and_nothing_accepted_is_lost(mirror: Mirror) -> None:
    with mirror.running(FREE, workers=2) as process:
        before = workers(process)
        assert len(before) == 2
        met = on_each(mirror, process, mirror.party())
        with load(mirror, 4) as clients:
            victim, other = before
            time.sleep(0.5)
            os.kill(victim, signal.SIGKILL)
            for _ in range(20):
                assert met[other]("/licences")[0] == 200
            mirror.until(lambda: len(logged(mirror, "a worker was started anew")) == 1, 20)
            assert len(workers(process)) == 2
            assert victim not in workers(process)
            more = sum(client.accepted for client in clients)
            mirror.until(lambda: sum(client.accepted for client in clients) > more + 50, 20)
        assert sum(client.refused for client in clients) == 0
        assert sum(client.broken for client in clients) <= len(clients)
        (told,) = logged(mirror, "a worker ended")
        assert (told["signal"], told["level"]) == (9, "error")
    assert "Traceback" not in mirror.stderr()


@pytest.mark.slow
def test_who_connects_while_the_only_worker_is_dead_waits_and_is_served(mirror: Mirror) -> None:
    with mirror.running() as process:
        assert mirror.caller(mirror.party())("/licences")[0] == 200
        for pid in workers(process):
            os.kill(pid, signal.SIGKILL)
        assert mirror.caller(mirror.party())("/licences")[0] == 200
        assert len(logged(mirror, "a worker ended")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["server.key", "server.crt", "issuing.crt"])
def test_a_worker_that_is_started_anew_serves_by_what_control_has_checked_whatever_lies_on_the_disk_by_then(
    mirror: Mirror, name: str
) -> None:
    with mirror.running() as process:
        (mirror.folder / name).write_bytes(b"spoilt")
        before = workers(process)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        mirror.until(lambda: len(logged(mirror, "a worker was started anew")) == 1, 20)
        with mirror.raw(mirror.context(mirror.party())) as connection:
            assert connection.getpeercert(binary_form=True) == der_of(mirror.house.server.certificate)
            connection.sendall(b"GET /licences HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert not before & workers(process)
        arguments = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in workers(process))
        assert b"PRIVATE" not in arguments
        assert "PRIVATE" not in mirror.stderr()


@pytest.mark.slow
def test_workers_do_not_outlive_control(mirror: Mirror) -> None:
    with mirror.running(workers=2) as process:
        left = workers(process)
        assert mirror.caller(mirror.party())("/licences")[0] == 200
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        mirror.until(lambda: not any(map(runs, left)), 10)
    with mirror.running(workers=2):  # nothing of it is in the way
        assert mirror.caller(mirror.party())("/licences")[0] == 200


@pytest.mark.slow
def test_a_running_request_gets_a_moment_when_control_dies_but_nothing_is_written_any_more(mirror: Mirror) -> None:
    with mirror.running() as process:
        caller, path = mirror.caller(mirror.party()), "/installations"
        id_ = msgspec.json.decode(caller(path, "POST")[2])["installation"]
        with mirror.raw(mirror.context(mirror.party())) as slow:
            body = thin_snapshot.encode({})
            head = f"PUT {path}/{id_}/thin-snapshot HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode())
            time.sleep(0.3)  # it is being answered now
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
            time.sleep(0.3)
            slow.sendall(body)
            assert slow.recv(12) == b"HTTP/1.1 503"


def revoked(mirror: Mirror, party: object) -> None:
    mirror.revoke(party)  # type: ignore[arg-type]


def change_licence(mirror: Mirror, _party: object) -> None:
    with mirror.records() as records:
        records.end_licence("acme", "sdk", datetime.now(UTC).date() - timedelta(days=1))


def publish(mirror: Mirror, _party: object) -> None:
    newer = make_release(mirror.data, "sdk/botocore", "1.41.0", b"newer")
    indexes = [make_index("sdk/botocore", [newer]), mirror.indexes[1]]
    sign_catalogue(mirror.data / "catalogue", indexes, 2, mirror.signer, LISTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "path", "statuses"),
    [(revoked, "/licences", (200, 403)), (change_licence, PACK, (200, 403)), (publish, NEWER, (404, 200))],
)
def test_a_change_is_soon_known_to_every_worker(
    mirror: Mirror,
    change: Callable[[Mirror, object], None],
    path: str,
    statuses: tuple[int, int],
) -> None:
    party = mirror.party()
    with mirror.running(workers=2) as process:
        met = on_each(mirror, process, party)
        assert {caller(path)[0] for caller in met.values()} == {statuses[0]}
        began = time.monotonic()
        change(mirror, party)
        for caller in met.values():
            mirror.until(lambda caller=caller: caller(path)[0] == statuses[1])  # type: ignore[misc]
        # Within a look and 0.25 s, where the machine is not busy.
        print(f"{change.__name__}: known to all after {(time.monotonic() - began) * 1000:.0f} ms")  # noqa: T201


@pytest.mark.slow
def test_an_id_is_known_to_every_worker_before_anybody_gets_it(mirror: Mirror) -> None:
    with mirror.running(workers=2) as process:
        met: list[Caller] = [*on_each(mirror, process, mirror.party()).values()]
        for number in range(20):
            status, _, raw = met[number % 2]("/installations", "POST")
            id_ = msgspec.json.decode(raw)["installation"]
            assert status == 201
            for caller in reversed(met):
                assert caller("/licences", Spot_Installation=id_)[0] == 200
        assert met[1](f"/installations/{id_}/thin-snapshot", "PUT", thin_snapshot.encode({}))[0] == 204


def test_too_many_thin_snapshots_are_refused_whichever_worker_is_asked(mirror: Mirror) -> None:
    with mirror.running(workers=2) as process:
        met = [*on_each(mirror, process, mirror.party()).values()]
        path = (
            f"/installations/{msgspec.json.decode(met[0]('/installations', 'POST')[2])['installation']}/thin-snapshot"
        )
        answers = [met[number % 2](path, "PUT", thin_snapshot.encode({})) for number in range(SAVED + 2)]
        assert [status for status, _, _ in answers] == [204] * SAVED + [429] * 2
        assert 0 < int(answers[-1][1]["Retry-After"]) <= 60
        assert mirror.audited(status=429)["detail"] == "too-often"


def test_sigint_on_a_terminal_goes_to_all_and_control_alone_drains(mirror: Mirror) -> None:
    with mirror.running(workers=2) as process:
        for pid in (*workers(process), process.pid):
            os.kill(pid, signal.SIGINT)
        assert process.wait(10) == 0
    assert "Traceback" not in mirror.stderr()
    assert logged(mirror, "a worker ended") == []


@pytest.mark.slow
def test_last_seen_moments_of_all_workers_are_written_down(mirror: Mirror) -> None:
    with mirror.running(workers=2) as process:
        met = [*on_each(mirror, process, mirror.party()).values()]
        minted = [msgspec.json.decode(met[0]("/installations", "POST")[2])["installation"] for _ in met]
        time.sleep(1.1)  # moments are kept to the second
        for id_, caller in zip(minted, met, strict=True):
            assert caller("/licences", Spot_Installation=id_)[0] == 200
            caller.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with mirror.records() as records:
        found = [records.installation(id_) for id_ in minted]
    assert all(one is not None and one.last_seen > one.enrolled for one in found)


def test_a_licence_that_begins_is_known_to_a_worker_that_was_started_meanwhile(mirror: Mirror) -> None:
    with mirror.running() as process:
        with mirror.records() as records:
            records.grant(Licence("retired", "sdk", ("stable",), LONG_AGO, None, 1))
        for pid in workers(process):
            os.kill(pid, signal.SIGKILL)
        caller = mirror.caller(mirror.party("retired"))
        mirror.until(lambda: caller(PACK)[0] == 200)
