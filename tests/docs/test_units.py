"""The units: systemd finds nothing wrong with them, the programs live with what they take away, the page agrees."""

import re
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from ca.revocation import read_crl
from tests.docs.pages import DOCS, ROOT
from tests.e2e.world import BIN, World, serve, stop
from tests.hostile.needs import need, need_program, need_root

SERVICES = sorted(path.name for path in (ROOT / "deploy").glob("*.service"))
KINDS = {".service", ".timer", ".socket", ".path"}
UNITS = sorted(path.name for path in (ROOT / "deploy").iterdir() if path.suffix in KINDS)
WORST = "20"
"""The exposure that is borne, in tenths."""

UNIT = (ROOT / "deploy/spot-mirror-check.service").read_text()
TIMER = (ROOT / "deploy/spot-mirror-check.timer").read_text()
PAGE = (DOCS / "ops.md").read_text()
ALERTS = (ROOT / "deploy/prometheus/alerts.yml").read_text()


# PR_SET_MDWE (Linux 6.3) is MemoryDenyWriteExecute, and stays over exec.
CONFINED = """\
import ctypes, mmap, os, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0, "no MDWE"
assert not os.path.exists("/proc/meminfo")
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    os.execv(sys.argv[1], sys.argv[1:])
"""
SUBSET = 'mount -t proc -o subset=pid proc /proc && exec "$@"'


def line(unit: str, key: str) -> str:
    (found,) = re.findall(rf"^#?{key}=(.*)$", unit, re.MULTILINE)
    return str(found)


def options() -> list[str]:
    """The words that the unit adds once the line of its metrics counts."""
    return shlex.split(line(UNIT, "Environment"))[0].removeprefix("METRICS=").split()


def test_the_unit_may_write_the_file_that_the_page_names() -> None:
    _, path = options()
    assert path in PAGE
    assert str(Path(path).parent) in line(UNIT, "ReadWritePaths").replace("-/", "/").split()
    (command,) = re.findall(r"^(sed -i .* /etc/systemd/system/spot-mirror-check.service)$", PAGE, re.MULTILINE)
    edited = subprocess.run(["sed", shlex.split(command)[2]], input=UNIT, capture_output=True, text=True, check=True)
    assert f'\nEnvironment="METRICS=--metrics {path}"\n' in edited.stdout


def test_the_alert_waits_for_more_than_two_checks() -> None:
    (minutes,) = re.findall(r"^\*:0/(\d+)$", line(TIMER, "OnCalendar"))
    (seconds,) = re.findall(r"spot_mirror_check_timestamp_seconds > (\d+)", ALERTS)
    assert int(seconds) > 2 * 60 * int(minutes)


@pytest.mark.slow
def test_the_unit_s_command_writes_metrics(world: World, tmp_path: Path) -> None:
    written = tmp_path / "spot-mirror.prom"
    words = line(UNIT, "ExecStart").replace("$METRICS", " ".join(options())).split()
    words[0] = str(BIN / "spot-mirror")
    words[words.index("--config") + 1] = str(world.folder / "mirror.toml")
    words[words.index("--metrics") + 1] = str(written)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 9}, done.stderr
    assert b"spot_mirror_check_timestamp_seconds" in written.read_bytes()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, as on a machine where the programs are installed: here."""
    for name in UNITS:
        text = (ROOT / "deploy" / name).read_text()
        (tmp_path / name).write_text(text.replace("/opt/spot-mirror/bin", str(BIN)))
    return tmp_path


def test_systemd_understands_all_units(installed: Path) -> None:
    need_program("systemd-analyze")
    command = ["systemd-analyze", "verify", *(str(installed / name) for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("name", SERVICES)
def test_systemd_finds_them_locked_up_well(installed: Path, name: str) -> None:
    need_program("systemd-analyze")
    command = ["systemd-analyze", "security", "--offline=true", f"--threshold={WORST}", str(installed / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.fixture
def small(world: World, tmp_path: Path) -> World:
    """A mirror of its own with nothing in it."""
    mirror = World(tmp_path)
    mirror.environment |= {"SPOT_MIRROR_CONFIG": str(tmp_path / "mirror.toml")}
    files = ("--certificate", world.folder / "certs/mirror1.crt", "--key", world.folder / "certs/mirror1.key")
    trust = ("--issuing-ca", world.folder / "ca/issuing.crt", "--crl", world.folder / "ca/crl/issuing.crl")
    realm = ("--realm", "build.example.com")
    mirror.succeed("spot-mirror", "init", "--development", *realm, "--listen", "127.0.0.1:0", *files, *trust)
    return mirror


@contextmanager
def confined(mirror: World, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program without what the units take away of memory and /proc."""
    need_root()
    tried = ["unshare", "-m", "sh", "-c", SUBSET, "sh", sys.executable, "-c", CONFINED, "/bin/true"]
    done = subprocess.run(tried, capture_output=True, check=False)
    need("mount namespaces and PR_SET_MDWE", here=done.returncode == 0)
    process = subprocess.Popen(
        [*tried[:-1], str(BIN / command[0]), *command[1:]],
        cwd=mirror.folder,
        env=mirror.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        stop(process)


@pytest.mark.slow
def test_the_mirror_serves_without_what_its_unit_takes_away(small: World) -> None:
    with confined(small, "spot-mirror", "serve") as process:
        assert process.stdout is not None
        ready = process.stdout.readline().decode()
        assert "ready on https://127.0.0.1:" in ready, ready + process.stdout.read().decode()
        port = int(ready.split("https://127.0.0.1:")[1].split(",")[0])
        assert ssl.get_server_certificate(("127.0.0.1", port))


@pytest.mark.slow
@pytest.mark.parametrize("command", [("check", "--json"), ("catalogue-timer", "--once")])
def test_check_and_timer_run_without_what_their_units_take_away(small: World, command: tuple[str, ...]) -> None:
    with confined(small, "spot-mirror", *command) as process:
        out, _ = process.communicate(timeout=60)
        assert process.returncode in {0, 9}, out.decode()


@pytest.fixture
def issuing_host(tmp_path: Path) -> World:
    """A CA in /var/lib/spot-ca, as far as its units know."""
    host = World(tmp_path)
    host.succeed("spot-ca", "init", "--realm", "build.example.com", "--key-type", "ecdsa-p256")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/passphrase").write_text(host.environment.pop("SPOT_CA_PASSPHRASE"))
    (tmp_path / "credentials/passphrase").chmod(0o440)  # as systemd has it
    host.environment["CREDENTIALS_DIRECTORY"] = str(tmp_path / "credentials")
    return host


def words_of(unit: str, host: World) -> list[str]:
    """The command of a unit of the CA's host, on this CA."""
    said = line((ROOT / "deploy" / unit).read_text(), "ExecStart")
    said = said.replace("/opt/spot-mirror/bin/", "").replace("/var/lib/spot-ca", str(host.folder / "ca"))
    return said.replace("%d/", f"{host.folder}/credentials/").split()


@pytest.mark.slow
def test_the_ca_s_unit_signs_a_list_that_mirrors_take_without_anybody_there(issuing_host: World) -> None:
    lists = issuing_host.folder / "ca/crl/issuing.crl"
    issuer = load_pem_x509_certificate((issuing_host.folder / "ca/issuing.crt").read_bytes())
    before = read_crl(lists.read_bytes(), issuer, now=datetime.now(UTC), previous=None)
    with confined(issuing_host, *words_of("spot-ca-crl.service", issuing_host)) as process:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out.decode()
    after = read_crl(lists.read_bytes(), issuer, now=datetime.now(UTC), previous=before)
    assert after.number == before.number + 1


@pytest.fixture
def called(world: World, small: World) -> Iterator[World]:
    """The host of the CA that issued for a mirror which runs, and listens for operators."""
    shutil.copytree(world.folder / "ca", small.folder / "ca")
    issued = ("issue", "ca-operator", "issuing-host", "--key-type", "ecdsa-p256", "--out", small.folder / "etc")
    (small.folder / "etc").mkdir()
    small.succeed("spot-ca", *issued)
    shutil.copy(world.folder / "certs/mirror1.crt", small.folder / "etc/operator-pins.pem")
    with (small.folder / "mirror.toml").open("a") as file:
        file.write('\n[operator]\nlisten = "127.0.0.1:0"\n')
    process = serve(small)
    try:
        (address,) = re.findall(r'"address": "([^"]+)", "event": "operators"', (small.folder / "serve.log").read_text())
        text = (ROOT / "deploy/spot-ca.environment").read_text().replace("/etc/spot-ca", str(small.folder / "etc"))
        for name, value in re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE):
            small.environment[name] = shlex.split(value)[0]
        small.environment["SPOT_CA_MIRRORS"] = f"https://{address} https://{address}"
        del small.environment["SPOT_CA_PASSPHRASE"]  # neither needs it here
        yield small
    finally:
        stop(process)


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "told"), [("push", " holds to CRL "), ("renewals", "Nothing waits at ")])
def test_the_ca_s_units_call_the_mirrors_of_their_environment(called: World, unit: str, told: str) -> None:
    with confined(called, *words_of(f"spot-ca-{unit}.service", called)) as process:
        out, _ = process.communicate(timeout=60)
        assert (process.returncode, out.decode().count(told)) == (0, 2), out.decode()


@pytest.mark.slow
def test_the_ca_s_check_runs_without_what_its_unit_takes_away_and_fails_if_something_is_to_mend(
    issuing_host: World,
) -> None:
    command = words_of("spot-ca-check.service", issuing_host)
    for code, told in ((0, b""), (6, b"chmod 600")):
        with confined(issuing_host, *command) as process:
            out, _ = process.communicate(timeout=60)
            assert process.returncode == code, out.decode()
            assert told in out
        (issuing_host.folder / "ca/issuing.key").chmod(0o644)


def test_a_list_is_signed_many_times_before_it_lapses_and_pushed_as_soon_as_it_is_there() -> None:
    timer = (ROOT / "deploy/spot-ca-crl.timer").read_text()
    assert (line(timer, "OnCalendar"), line(timer, "Persistent")) == ("daily", "true")
    watched = Path(line((ROOT / "deploy/spot-ca-push.path").read_text(), "PathChanged"))
    folder, said = Path("/var/lib/spot-ca"), line((ROOT / "deploy/spot-ca-push.service").read_text(), "ExecStart")
    assert (watched, f"--dir {folder} push" in said) == (folder / "crl/issuing.crl", True)


@pytest.mark.slow
def test_the_mirror_tells_systemd_that_it_is_ready_and_alive(small: World) -> None:
    """As `Type=notify` and `WatchdogSec=` of its unit ask for; else systemd would kill it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(small.folder / "notify"))
        told.settimeout(10)
        small.environment |= {"NOTIFY_SOCKET": str(small.folder / "notify"), "WATCHDOG_USEC": "1000000"}
        process = small.start("spot-mirror", "serve")
        try:
            said = [told.recv(4096).decode().splitlines()]
            while not (
                any("READY=1" in one for one in said) and ["WATCHDOG=1"] in said
            ):  # in any order: it may load long
                said.append(told.recv(4096).decode().splitlines())
            assert len(said) < 100
        finally:
            process.terminate()
            process.communicate(timeout=30)


def test_the_page_enables_all_that_runs_by_itself_on_the_ca_s_host() -> None:
    found = {name for name in UNITS if name.startswith("spot-ca-") and not name.endswith(".service")}
    (enabled,) = re.findall(r"^systemctl enable --now (spot-ca-.*)$", PAGE, re.MULTILINE)
    assert set(enabled.split()) == found
