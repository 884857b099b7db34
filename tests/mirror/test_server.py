"""mirror.server: what it refuses to start with, how it says that it is ready, and how it ends. Real processes."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.errors import CaError
from mirror import config, server
from mirror.errors import MirrorError
from tests.ca.house import NOW, House, make_house, pem_of
from tests.mirror.content.rig import BIG, SERVE, Mirror

PACK = "/releases/sdk/botocore/1.40.0/any/pack"


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def stopped(tmp_path: Path, house: House) -> Mirror:
    """A mirror that is ready to be started, with a big release."""
    mirror = Mirror(tmp_path, house)
    mirror.publish(BIG)
    return mirror


def refusal(mirror: Mirror, **changes: str) -> tuple[str, str]:
    """Start, in this process; returns reason and sentence of the refusal."""
    path = mirror.config(changes.get("extra", ""), changes.get("listen", "127.0.0.1:0"))
    with pytest.raises((CaError, MirrorError)) as caught:
        server.serve(config.load(path), pytest.fail)
    assert isinstance(caught.value, CaError | MirrorError)
    return caught.value.reason, str(caught.value)


def unreadable_catalogue(mirror: Mirror) -> None:
    (mirror.data / "catalogue" / "timestamp.json").write_bytes(b"{}")


def no_catalogue(mirror: Mirror) -> None:
    (mirror.data / "catalogue").rename(mirror.data / "elsewhere")


def no_store(mirror: Mirror) -> None:
    for file in mirror.data.glob("records.sqlite*"):
        file.unlink()


def open_key(mirror: Mirror) -> None:
    mirror.server["key"].chmod(0o644)


def no_key(mirror: Mirror) -> None:
    mirror.server["key"].unlink()


def no_crl(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crl").unlink()


def bad_crl(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crl").write_bytes(b"not a CRL")


def future_crl(mirror: Mirror) -> None:
    mirror.put_crl(mirror.house.issuing.issuer, [], 9, NOW + timedelta(days=1))


def root_as_issuer(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crt").write_bytes(pem_of(mirror.house.root.certificate))


def no_issuer(mirror: Mirror) -> None:
    (mirror.folder / "issuing.crt").write_bytes(b"nothing")


@pytest.mark.parametrize(
    ("damage", "reason", "named"),
    [
        (no_catalogue, "missing", "spot-mirror init"),
        (unreadable_catalogue, "damaged", "timestamp.json"),
        (no_store, "no-store", "spot-mirror init"),
        (open_key, "bad-mode", "chmod 600"),
        (no_key, "missing-file", "server.key"),
        (no_crl, "missing-file", "issuing.crl"),
        (bad_crl, "not-a-crl", "issuing.crl"),
        (future_crl, "not-yet-valid", "clocks"),
        (root_as_issuer, "not-an-issuing-ca", "issuing.crt"),
        (no_issuer, "bad-certificate", "issuing.crt"),
    ],
)
def test_it_does_not_start_with_what_it_cannot_use_and_names_it(
    stopped: Mirror, damage: Callable[[Mirror], None], reason: str, named: str
) -> None:
    damage(stopped)
    found, sentence = refusal(stopped)
    assert found == reason
    assert named in sentence


def test_it_does_not_start_on_a_port_in_use(stopped: Mirror) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(stopped, listen=f"127.0.0.1:{port}")[0] == "port-in-use"


@pytest.mark.parametrize(
    ("listen", "reason"),
    [("192.0.2.1:8443", "no-such-address"), ("no.invalid:8443", "cannot-listen")],
)
def test_it_does_not_start_on_an_address_that_is_none(stopped: Mirror, listen: str, reason: str) -> None:
    found, sentence = refusal(stopped, listen=listen)
    assert (found, listen in sentence) == (reason, True)


def test_it_does_not_start_for_another_realm_than_its_cas(stopped: Mirror) -> None:
    path = stopped.config()
    path.write_text(path.read_text().replace("build.example.com", "other.example.com"))
    with pytest.raises(MirrorError) as caught:
        server.serve(config.load(path), pytest.fail)
    assert caught.value.reason == "wrong-realm"


def test_it_does_not_start_while_an_issuing_ca_has_no_crl(stopped: Mirror) -> None:
    another = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    (stopped.folder / "another.crt").write_bytes(pem_of(another.issuing.certificate))
    path = stopped.config()
    path.write_text(path.read_text().replace('["issuing.crt"]', '["issuing.crt", "another.crt"]'))
    with pytest.raises(MirrorError) as caught:
        server.serve(config.load(path), pytest.fail)
    assert caught.value.reason == "no-crl"


def test_it_does_not_start_without_a_section_for_content(stopped: Mirror) -> None:
    path = stopped.folder / "mirror.toml"
    path.write_text('realm = "build.example.com"\n')
    with pytest.raises(MirrorError) as caught:
        server.serve(config.load(path), pytest.fail)
    assert caught.value.reason == "no-content"


def test_one_line_says_that_it_is_ready_and_for_whom(stopped: Mirror) -> None:
    with stopped.running('min_tls = "1.3"'):
        assert re.fullmatch(
            rf"spot-mirror: ready on https://127\.0\.0\.1:{stopped.port}, realm build\.example\.com, "
            r"catalogue 1 until [0-9-]{10}, revocation list until [0-9-]{10}, 3 customers\n",
            stopped.ready,
        )
        context = stopped.context(stopped.party())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            stopped.raw(context)


def test_it_listens_on_every_address_and_logs_them_of_clients_only_if_told_to(stopped: Mirror) -> None:
    extra = 'log_addresses = true\n[publishing]\nkeys = "never-opened"'
    path = stopped.config(extra)
    path.write_text(path.read_text().replace('["127.0.0.1:0"]', '["127.0.0.1:0", "[::1]:0"]'))
    with subprocess.Popen([*SERVE, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert "https://[::1]:" in ready
        stopped.port = int(ready.split("127.0.0.1:")[1].split(",")[0])
        caller = stopped.caller(stopped.party())
        assert caller("/licences")[0] == 200
        caller.close()
        process.terminate()
        assert process.wait(10) == 0
    assert stopped.audit()[0]["address"] == "127.0.0.1"


class Download:
    """A download under way, of a pack longer than every buffer between mirror and client."""

    def __init__(self, mirror: Mirror, release: int) -> None:
        self.connection = mirror.raw(mirror.context(mirror.party()))
        self.connection.sendall(f"GET {PACK} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.received = self.connection.recv(2**12)
        self.expected = release

    def finish(self) -> bytes:
        """Read to the end of the connection; returns the body."""
        while chunk := self.connection.recv(2**20):
            self.received += chunk
        self.connection.close()
        return self.received.partition(b"\r\n\r\n")[2]


def refuses_connections(mirror: Mirror) -> bool:
    try:
        socket.create_connection(("127.0.0.1", mirror.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.fixture
def pack(stopped: Mirror) -> bytes:
    return (stopped.data / PACK.removeprefix("/")).read_bytes()


def test_after_sigterm_a_running_download_finishes_and_new_connections_are_refused(
    stopped: Mirror, pack: bytes
) -> None:
    with stopped.running() as process:
        download, idle = Download(stopped, len(pack)), stopped.caller(stopped.party())
        assert idle("/licences")[0] == 200
        process.send_signal(signal.SIGTERM)
        stopped.until(lambda: refuses_connections(stopped))
        status, headers, _ = idle("/licences")  # a connection that was there is answered once more
        assert (status, headers["Connection"]) == (200, "close")
        assert process.poll() is None
        assert download.finish() == pack
        assert process.wait(10) == 0
    assert stopped.audited(route="pack")["bytes"] == len(pack)
    assert "Traceback" not in stopped.stderr()


@pytest.mark.slow
def test_what_does_not_end_in_the_time_for_draining_is_cut_and_the_exit_is_0(stopped: Mirror, pack: bytes) -> None:
    with stopped.running("drain_seconds = 1") as process:
        download = Download(stopped, len(pack))
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        with pytest.raises((ConnectionError, ssl.SSLError, AssertionError)):
            assert download.finish() == pack
        download.connection.close()
    line = stopped.audited(route="pack")
    assert line["detail"] == "the connection ended before the answer was whole"
    assert "cut what did not end in time" in stopped.stderr()


def test_a_second_sigterm_ends_at_once(stopped: Mirror, pack: bytes) -> None:
    with stopped.running() as process:
        download = Download(stopped, len(pack))
        process.send_signal(signal.SIGTERM)
        stopped.until(lambda: refuses_connections(stopped))
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3
        download.connection.close()


def test_sighup_goes_on_in_a_new_audit_file(stopped: Mirror) -> None:
    with stopped.running() as process:
        caller = stopped.caller(stopped.party())
        caller("/licences")
        stopped.audited(route="licences")
        audit = stopped.data / "audit.jsonl"
        audit.rename(audit.with_suffix(".old"))
        process.send_signal(signal.SIGHUP)
        stopped.until(audit.exists)
        caller("/catalogue/timestamp.json")
        assert stopped.audited(route="metadata")
    assert [line["route"] for line in stopped.audit()] == ["metadata"]


def test_last_seen_moments_are_written_down_before_the_end(stopped: Mirror) -> None:
    with stopped.records() as records:
        records.mint("acme", b"1", lambda: "0" * 16, NOW - timedelta(days=1))
        with stopped.running() as process:
            assert stopped.caller(stopped.party())("/licences", Spot_Installation="0" * 16)[0] == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        found = records.installation("0" * 16)
    assert found is not None
    assert found.last_seen >= NOW


def test_signing_keys_are_never_opened(stopped: Mirror) -> None:
    keys = stopped.folder / "keys"
    keys.mkdir()
    for name in ("root.pem", "timestamp.pem", "keys.json"):
        os.mkfifo(keys / name)  # whoever opens one waits for ever, and is never ready
    with stopped.running('[publishing]\nkeys = "keys"'):
        assert stopped.caller(stopped.party())("/licences")[0] == 200
