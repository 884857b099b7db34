"""SIGHUP, systemd, and workers that cannot be started. Real processes."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from http.client import HTTPConnection, HTTPException
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ca.identity import Identity, Role
from ca.issue import build_crl
from ca.profiles import CLIENT, SERVER
from mirror import config, server
from mirror.certificates import key_id
from mirror.control import crew as crew_module
from mirror.control import member
from mirror.control.crew import Crew
from mirror.control.member import Member
from mirror.control.sockets import Sockets
from mirror.errors import ServeError
from mirror.log import program_log
from mirror.post import Post
from mirror.serving import read_serving, utc_now
from tests.ca.house import HOSTS, NOW, REALM, House, Party, der_of, pem_of
from tests.mirror.content.rig import BIG, SERVE, Mirror
from tests.mirror.control.processes import logged, workers

TAKEN = "serves by the new configuration"
REFUSED = "refused, the old workers stay"
PACK = "/releases/sdk/botocore/1.40.0/any/pack"
ACTIVATE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}; os.execv(sys.argv[2], sys.argv[2:])"
)
"""What systemd does for a service with a socket."""


@asynccontextmanager
async def crew_of_one(mirror: Mirror, told: StringIO, gone: Callable[[Member], None]) -> AsyncIterator[Crew]:
    """One worker of a post, started and at last killed."""
    sockets, log, rings = Sockets(), program_log(told), mirror.folder / "rings"
    sockets.listen(["127.0.0.1:0"], 1)
    rings.mkdir()
    with mirror.records() as records:
        post = Post(read_serving(config.load(mirror.config())), records, utc_now(), log)
        await post.begin(sockets, rings, lambda *_: None, gone)
        assert post.crew is not None
        yield post.crew
        await post.crew.kill()
        post.close()
    sockets.close()


def shown(mirror: Mirror) -> bytes:
    """The certificate that the mirror shows; nothing if an old worker ends within the handshake."""
    context = mirror.context(mirror.party())
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with mirror.raw(context) as connection:
            return connection.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def own_bytes(process: subprocess.Popen[str]) -> int:
    """Memory of control that is no file's, in bytes."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    return int(text.partition("Anonymous:")[2].split()[0]) * 1024


@pytest.mark.slow
def test_reloads_do_not_add_up_in_the_memory_of_control(mirror: Mirror) -> None:
    with mirror.running() as process:
        before = own_bytes(process)
        for number in range(1, 8):
            process.send_signal(signal.SIGHUP)
            mirror.until(lambda: len(logged(mirror, "serves by the new configuration")) == number, 20)  # noqa: B023
        mirror.until(lambda: len(workers(process)) == 1, 20)
        assert own_bytes(process) - before < 4 * 2**20


@pytest.mark.slow
def test_new_workers_show_the_new_certificate_while_the_old_ones_finish_and_nobody_is_refused(
    tmp_path: Path, house: House
) -> None:
    mirror = Mirror(tmp_path, house)
    big, party = mirror.publish(BIG), mirror.party()
    successor = house.leaf(HOSTS, SERVER)
    with mirror.running() as process:
        old = workers(process)
        caller = mirror.caller(party)
        caller.connection.request("GET", PACK)
        download = caller.connection.getresponse()
        successor.files(mirror.folder, "server")
        mirror.config(workers=2)
        refused, stop = [], threading.Event()

        def connect() -> None:
            while not stop.is_set():
                try:
                    socket.create_connection(("127.0.0.1", mirror.port), timeout=10).close()
                except OSError as error:
                    refused.append(error)

        connecting = threading.Thread(target=connect)
        connecting.start()
        process.send_signal(signal.SIGHUP)
        mirror.until(lambda: bool(logged(mirror, "serves by the new configuration")), 20)
        mirror.until(lambda: shown(mirror) == der_of(successor.certificate))
        assert len(workers(process)) == 3
        assert download.read() == big.pack
        caller.close()
        mirror.until(lambda: len(workers(process)) == 2, 20)
        stop.set()
        connecting.join()
        assert refused == []
        assert not old & workers(process)
    assert logged(mirror, "a worker ended") == []
    assert "Traceback" not in mirror.stderr()


class Slow:
    """A download of a pack that is too long for any buffer on the way, of which only the beginning was read."""

    def __init__(self, mirror: Mirror, party: Party | None = None) -> None:
        self.party = party or mirror.party()
        self.caller = mirror.caller(self.party)
        self.caller.connection.request("GET", PACK)
        self.response = self.caller.connection.getresponse()

    def is_cut(self) -> bool:
        """Read what is left; whether it ends before its end."""
        try:
            return len(self.response.read()) < int(self.response.headers["Content-Length"])
        except (OSError, HTTPException):
            return True


@pytest.fixture
def big(tmp_path: Path, house: House) -> Mirror:
    """A mirror with a big release."""
    mirror = Mirror(tmp_path, house)
    mirror.publish(BIG)
    return mirror


def reloaded(mirror: Mirror, process: subprocess.Popen[str], extra: str = "") -> None:
    """Have it serve by another configuration."""
    before = len(logged(mirror, TAKEN))
    mirror.config(extra)
    process.send_signal(signal.SIGHUP)
    mirror.until(lambda: len(logged(mirror, TAKEN)) > before, 20)


SHORT = "drain_seconds = 1"


@pytest.mark.slow
def test_a_slow_download_outlives_a_reload_by_more_than_drain_seconds_and_may_still_be_revoked(big: Mirror) -> None:
    with big.running(SHORT) as process:
        one, other, idle = Slow(big), Slow(big), big.caller(big.party())
        assert idle("/licences")[0] == 200
        reloaded(big, process, SHORT)
        time.sleep(8)  # longer than drain_seconds with all that is added to them
        assert len(workers(process)) == 2
        assert not one.is_cut()
        status, headers, _ = idle("/licences")  # a connection that was there is answered once more
        assert (status, headers["Connection"]) == (200, "close")
        big.revoke(other.party)
        big.audited(reason="revoked", route="pack")
        assert other.is_cut()
        one.caller.close()
        big.until(lambda: len(workers(process)) == 1)
    assert logged(big, "cut what did not end in time") == []


@pytest.mark.slow
def test_a_stop_within_a_reload_waits_for_drain_seconds_only(big: Mirror) -> None:
    with big.running(SHORT) as process:
        download = Slow(big)
        reloaded(big, process, SHORT)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert 1 <= time.monotonic() - began < 5
        assert download.is_cut()
    assert logged(big, "killed a worker that did not end") == []


@pytest.mark.slow
def test_of_many_reloads_only_the_last_two_wait_long_for_downloads(big: Mirror) -> None:
    with big.running(SHORT) as process:
        downloads = []
        for _ in range(3):
            downloads.append(Slow(big))
            assert len(workers(process)) == len(downloads)
            reloaded(big, process, SHORT)
        big.until(lambda: len(workers(process)) == 3)
        assert [one.is_cut() for one in downloads] == [True, False, False]


@pytest.mark.slow
def test_a_reload_lets_nobody_go_on_whose_issuing_ca_it_takes_out(big: Mirror, other_house: House) -> None:
    """Another CA's certificates stand for those of an issuing CA that was retired."""
    old = other_house.issuing
    assert old.issuer.certificate is not None
    for issuer, name in ((old, "old"), (big.house.issuing, "issuing")):
        (big.folder / f"{name}.crt").write_bytes(pem_of(issuer.certificate))
        crl = build_crl(issuer.certificate, issuer.key, [], number=1, now=NOW)
        (big.folder / f"{name}.crl").write_bytes(crl.public_bytes(Encoding.PEM))
    one = big.config(SHORT)
    text = one.read_text()
    for kind in ("crt", "crl"):
        text = text.replace(f'["issuing.{kind}"]', f'["old.{kind}", "issuing.{kind}"]')
    one.write_text(text)
    with big.running_as_configured(SERVE) as process:
        stays = Slow(big)
        goes = Slow(big, other_house.leaf(Identity(REALM, Role.CLIENT, "globex"), CLIENT))
        reloaded(big, process, SHORT)
        line = big.audited(reason="unknown-issuer")
        assert (line["customer"], line["detail"]) == ("globex", f"cut: {key_id(old.certificate).hex()}")
        time.sleep(2)
        assert (goes.is_cut(), stays.is_cut()) == (True, False)


@pytest.mark.slow
def test_a_reload_to_a_shorter_grace_ends_what_goes_on_by_a_lapsed_list(big: Mirror) -> None:
    big.put_crl(big.house.issuing.issuer, [], 9, NOW - timedelta(days=31))
    with big.running(SHORT) as process:
        download = Slow(big)
        reloaded(big, process, f"{SHORT}\ncrl_grace_days = 0")
        big.audited(reason="revocation-unknown", route="pack", status=200)
        assert download.is_cut()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def reload(mirror: Mirror, process: subprocess.Popen[str], *listen: str) -> dict[str, object]:
    """Have the mirror listen there; returns the line of the log that tells how that went."""

    def ends() -> list[dict[str, object]]:
        return [line for word in ("serves by the new configuration", REFUSED) for line in logged(mirror, word)]

    before = len(ends())
    mirror.config(listen='", "'.join(listen))
    process.send_signal(signal.SIGHUP)
    mirror.until(lambda: len(ends()) > before, 20)
    return max(ends(), key=lambda line: str(line["timestamp"]))


def test_an_address_that_was_taken_out_is_served_no_more_and_can_be_put_back_while_an_old_worker_hangs(
    mirror: Mirror,
) -> None:
    with mirror.running() as process, socket.create_server(("127.0.0.1", 0)) as foreign:
        (old,) = workers(process)
        os.kill(old, signal.SIGSTOP)
        try:
            put_back, taken = f"127.0.0.1:{mirror.port}", f"127.0.0.1:{foreign.getsockname()[1]}"
            assert reload(mirror, process, "127.0.0.2:0")["level"] == "info"
            assert not listens(mirror.port)
            assert reload(mirror, process, put_back, "127.0.0.2:0", taken)["reason"] == "port-in-use"
            assert not listens(mirror.port)
            assert reload(mirror, process, put_back, "127.0.0.2:0")["level"] == "info"
            assert old in workers(process)
            assert mirror.caller(mirror.party())("/licences")[0] == 200
            assert reload(mirror, process, "127.0.0.2:0", taken)["reason"] == "port-in-use"
            assert mirror.caller(mirror.party())("/licences")[0] == 200
        finally:
            os.kill(old, signal.SIGCONT)
        assert reload(mirror, process, "127.0.0.2:0")["level"] == "info"
        assert not listens(mirror.port)
    assert logged(mirror, "cannot accept") == []
    assert "Traceback" not in mirror.stderr()


def trusted(address: str, token: str) -> bool:
    """Whether the health listener takes the token."""
    asking = HTTPConnection(address, timeout=10)
    asking.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
    status = asking.getresponse().status
    asking.close()
    assert status in {200, 401}
    return status == 200


def test_a_new_token_of_the_health_listener_is_taken_over_and_a_bad_one_refuses_the_reload(mirror: Mirror) -> None:
    old, new = "the-old-token-of-this-mirror", "the-new-token-of-this-mirror"
    file = mirror.folder / "token"
    file.touch(mode=0o600)
    file.write_text(old)
    with mirror.running('[health]\nlisten = "127.0.0.1:0"\ntoken_file = "token"') as process:
        (line,) = logged(mirror, "health and metrics")
        address = str(line["address"])
        assert trusted(address, old)
        file.write_text(new)
        process.send_signal(signal.SIGHUP)
        mirror.until(lambda: bool(logged(mirror, "serves by the new configuration")), 20)
        assert (trusted(address, old), trusted(address, new)) == (False, True)
        file.write_text("short")
        process.send_signal(signal.SIGHUP)
        mirror.until(lambda: bool(logged(mirror, REFUSED)), 20)
        assert logged(mirror, REFUSED)[0]["reason"] == "weak-token"
        assert trusted(address, new)


def unknown_key(mirror: Mirror) -> None:
    mirror.config("no_such_key = 1")


def no_toml(mirror: Mirror) -> None:
    (mirror.folder / "mirror.toml").write_text("[[[")


def other_data(mirror: Mirror) -> None:
    path = mirror.config()
    path.write_text(path.read_text().replace('data = "data"', 'data = "elsewhere"'))


def other_health(mirror: Mirror) -> None:
    mirror.config('[health]\nlisten = "127.0.0.1:0"')


def other_key(mirror: Mirror) -> None:
    mirror.server["key"].write_bytes(b"no key")


def port_in_use(mirror: Mirror) -> None:
    mirror.config(listen="192.0.2.1:8443", workers=3)


@pytest.mark.parametrize(
    ("change", "reason", "named"),
    [
        (unknown_key, "bad-value", "no_such_key"),
        (no_toml, "not-toml", "mirror.toml"),
        (other_data, "needs-restart", "Another data:"),
        (other_health, "needs-restart", "Another [health]:"),
        (other_key, "bad-key", "server.key"),
        (port_in_use, "no-such-address", "192.0.2.1:8443"),
    ],
)
def test_a_bad_new_configuration_is_refused_loudly_and_the_old_workers_stay(
    mirror: Mirror, change: Callable[[Mirror], None], reason: str, named: str
) -> None:
    with mirror.running() as process:
        caller, before = mirror.caller(mirror.party()), workers(process)
        assert caller("/licences")[0] == 200
        change(mirror)
        process.send_signal(signal.SIGHUP)
        mirror.until(lambda: bool(logged(mirror, REFUSED)), 20)
        (told,) = logged(mirror, REFUSED)
        assert (told["level"], told["reason"]) == ("error", reason)
        assert named in str(told["problem"])
        assert caller("/licences")[0] == 200
        assert mirror.caller(mirror.party())("/licences")[0] == 200
        assert workers(process) == before
    assert "Traceback" not in mirror.stderr()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[list[str]]:
    """What a service tells systemd, as it comes."""
    heard: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))

        def listen() -> None:
            while message := listening.recv(4096).decode():
                heard.append(message)

        thread = threading.Thread(target=listen)
        thread.start()
        yield heard
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", str(tmp_path / "notify"))
        thread.join()


@pytest.mark.slow
def test_systemd_s_sockets_are_shared_by_all_workers_and_it_is_told_how_it_goes(
    mirror: Mirror, told: list[str]
) -> None:
    mirror.config(listen="192.0.2.1:1", workers=2)  # plays no part
    with socket.create_server(("127.0.0.1", 0)) as given, (mirror.folder / "stderr.log").open("a") as log:
        mirror.port = given.getsockname()[1]
        waiting = socket.create_connection(("127.0.0.1", mirror.port))  # as long as nobody is there
        command = [sys.executable, "-c", ACTIVATE, str(given.fileno()), *SERVE, str(mirror.folder / "mirror.toml")]
        process = subprocess.Popen(
            command,
            pass_fds=[given.fileno()],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(mirror.folder / "notify"), "WATCHDOG_USEC": "600000"},
        )
        try:
            assert process.stdout is not None
            assert f"https://127.0.0.1:{mirror.port}" in process.stdout.readline()
            with mirror.context(mirror.party()).wrap_socket(waiting, server_hostname="127.0.0.1") as connection:
                connection.sendall(b"GET /licences HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert connection.recv(12) == b"HTTP/1.1 200"
            before = workers(process)
            process.send_signal(signal.SIGHUP)
            mirror.until(lambda: len(workers(process) - before) == len(workers(process)) == 2, 20)
            mirror.until(lambda: told.count("READY=1\nSTATUS=2 workers") == 2)
            assert mirror.caller(mirror.party())("/licences")[0] == 200
            for caller in mirror.callers:
                caller.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.communicate()
    first, *_ = (line for line in told if line != "WATCHDOG=1")
    assert first == "READY=1\nSTATUS=2 workers"
    assert "WATCHDOG=1" in told
    assert [line for line in told if line.startswith("RELOADING=1\nMONOTONIC_USEC=")]
    assert "STOPPING=1" in told[-10:]


def test_a_socket_of_systemd_s_that_is_none_is_refused(mirror: Mirror) -> None:
    with socket.socket(socket.AF_UNIX) as given:
        command = [sys.executable, "-c", ACTIVATE, str(given.fileno()), *SERVE, str(mirror.config())]
        done = subprocess.run(command, pass_fds=[given.fileno()], capture_output=True, text=True, check=False)
    assert "bad-socket" in done.stderr or "no listening TCP socket" in done.stderr


def test_workers_that_cannot_be_started_are_an_error_with_a_reason(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "_PROGRAM", "import sys; sys.exit(3)")
    with pytest.raises(ServeError) as caught:
        server.serve(config.load(mirror.config(workers=2)), pytest.fail)
    assert caught.value.reason == "worker-failed"
    assert "ended with 3" in str(caught.value)


async def test_when_no_worker_is_left_and_none_can_be_started_control_gives_up(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "_LONGEST_PAUSE", 0.01)
    gone: list[int] = []
    async with crew_of_one(mirror, StringIO(), lambda one: gone.append(one.pid)) as crew:
        assert not crew.lost.is_set()
        monkeypatch.setattr(member, "_PROGRAM", "import sys; sys.exit(3)")
        crew.members[0].kill()
        async with asyncio.timeout(30):
            await crew.lost.wait()
        assert len(gone) == crew_module.MAX_FAILURES


async def test_a_worker_that_hangs_is_killed_and_started_anew(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member, "SILENT_SECONDS", 4)
    told, again = StringIO(), asyncio.Event()
    async with crew_of_one(mirror, told, lambda _: again.set()) as crew:
        hanging = crew.members[0].pid
        os.kill(hanging, signal.SIGSTOP)
        async with asyncio.timeout(30):
            await again.wait()
    silent, ended, *_ = [
        line for line in map(msgspec.json.decode, told.getvalue().splitlines()) if line["level"] == "error"
    ]
    assert silent["event"] == "a worker was silent for 4 s, and was killed"
    assert (silent["pid"], silent["seconds"]) == (hanging, 4)
    assert (ended["event"], ended["signal"]) == ("a worker ended", 9)
