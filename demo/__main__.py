"""`make demo`: a CA, a mirror, three customers, and everything that must work or be refused, on real wheels."""

import argparse
import re
import secrets
import shutil
import socket
import ssl
import sys
import time
from pathlib import Path

from demo import people, wheels
from demo.stage import Stage, first

PORT = 8443
OTHER_PORT = 8444
URL = f"https://127.0.0.1:{PORT}"
HERE = Path(__file__).parent.parent


def main() -> None:
    """Play everything; exit with 1 if any line of the table differs."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="leave the mirror running at the end")
    leave_running = parser.parse_args().serve
    _check_ports()
    folder = HERE / ".demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    stage = Stage(folder)
    try:
        stage.title("Real software, from the package index")
        old = wheels.fetch("first", HERE / ".cache" / "wheels")
        new = wheels.fetch("second", HERE / ".cache" / "wheels")
        for wheel in (*old.values(), *new.values()):
            print(f"  {wheel.name}  {wheel.stat().st_size / 2**20:.1f} MiB")
        authority(stage)
        timer = publisher(stage, old, new)
        pid = stage.serve("mirror.toml", PORT)
        installed_product(stage, new["botocore"])
        refusals(stage)
        other_server(stage)
        tampered_cache(stage)
        support(stage)
        people.stop_and_withdraw(stage)
        people.stolen_key(stage, new["botocore"])
    except BaseException:
        stage.stop()
        raise
    wrong = stage.table()
    stage.stop(keep=[pid, timer] if leave_running else [])
    if leave_running:
        print(f"\nThe mirror goes on at {URL} (process {pid}), with its timer. Stop both with: kill {pid} {timer}")
        print(f"Try: .venv/bin/spot --root {folder.relative_to(HERE)}/acme status")
    sys.exit(1 if wrong else 0)


def authority(stage: Stage) -> None:
    """Someone who runs the CA creates it with scripts."""
    stage.title("A certificate authority, its keys encrypted")
    for name in ("ca.pass", "mirror.pass"):
        secret = stage.folder / name
        secret.touch(mode=0o600)
        secret.write_text(f"{secrets.token_urlsafe(24)}\n")
    spot_ca(stage, "init", "--realm", "build.example.com")
    spot_ca(stage, "issue", "server", "mirror1", "--ip", "127.0.0.1", "--dns", "localhost", "--out", "certs")
    stage.title("A second server certificate of the same CA, and a foreign CA, for later")
    spot_ca(stage, "issue", "server", "mirror2", "--ip", "127.0.0.1", "--dns", "localhost", "--out", "certs")
    foreign = ("--dir", str(stage.folder / "foreign-ca"))
    spot_ca(stage, *foreign, "init", "--realm", "build.example.com")
    spot_ca(stage, *foreign, "issue", "client", "acme", "--out", "foreign")


def publisher(stage: Stage, old: dict[str, Path], new: dict[str, Path]) -> int:
    """Two people publish real software, and customers get licences; the timer's process id."""
    config = ("--config", "mirror.toml", "--data", "data", "--keys", "keys", "--online-keys", "online-keys")
    mirror = (*config, "--realm", "build.example.com", "--listen", f"127.0.0.1:{PORT}")
    files = ("--certificate", "certs/mirror1.crt", "--key", "certs/mirror1.key")
    trust = ("--issuing-ca", "ca/issuing.crt", "--crl", "ca/crl/issuing.crl")
    timer = people.ceremony(stage, [*mirror, *files, *trust])
    stage.title("Real releases: alice publishes them, bob approves them")
    for name, found in (("botocore", old), ("numpy", old), ("numpy", new)):
        component = next(component for component in wheels.COMPONENTS if component.endswith(f"/{name}"))
        options = ("--platform", wheels.COMPONENTS[component])
        people.publish(stage, "alice", component, found[name].name.split("-")[1], found[name], *options)
    people.approve(stage, "bob")
    stage.until_visible()
    stage.run("spot-mirror", "releases")
    stage.title("Customers and licences")
    stage.run("spot-mirror", "customer", "add", "acme")
    stage.run("spot-mirror", "customer", "add", "globex")
    stage.run("spot-mirror", "customer", "add", "initech")
    for customer, product in (("acme", "sdk"), ("globex", "sdk"), ("globex", "science"), ("initech", "sdk")):
        stage.run("spot-mirror", "licence", "grant", customer, product, "--installations", "5")
    stage.run("spot-mirror", "licence", "list")
    for customer in ("acme", "globex", "initech"):
        bundle(stage, customer, f"{URL}=certs/mirror1.crt", f"{customer}.bundle")
    return timer


def installed_product(stage: Stage, newer: Path) -> None:
    """SPOT on an installed product installs, upgrades and goes back."""
    stage.title("acme: install")
    stage.run("spot", "--root", "acme", "enrol", "acme.bundle")
    stage.run("spot", "--root", "acme", "install", "sdk/botocore")
    stage.expect("acme installs 1.40.0", re.escape("1.40.0"), botocore_version(stage))
    people.two_people(stage, newer)
    stage.title("acme: update, roll back, update again")
    steps = (
        ("updates to 1.40.1", ("update",), "1.40.1"),
        ("rolls back", ("rollback", "sdk/botocore"), "1.40.0"),
        ("updates again", ("update",), "1.40.1"),
    )
    for what, command, version in steps:
        stage.run("spot", "--root", "acme", *command)
        stage.expect(f"acme {what}", re.escape(version), botocore_version(stage))
    stage.run("spot", "--root", "acme", "status")
    stage.title("globex: both products")
    stage.run("spot", "--root", "globex", "enrol", "globex.bundle")
    stage.run("spot", "--root", "globex", "install", "sdk/botocore")
    stage.run("spot", "--root", "globex", "install", "science/numpy")
    version = (stage.folder / "globex/science/numpy/current/numpy/version.py").read_text()
    stage.expect("globex has numpy", r"2\.2\.6", first(r'version = "([^"]+)"', version))


def refusals(stage: Stage) -> None:
    """Whoever is not licensed, not of this CA, or revoked is refused."""
    stage.title("acme asks for what it has no licence for")
    done = stage.run("spot", "--root", "acme", "install", "science/numpy", fails=True)
    stage.expect("acme asks for science", "exit 5: not licensed", done.told("licen", "not licensed"))
    acme = client_context(stage, "acme")
    path = f"/releases/%s/numpy/2.2.5/{wheels.COMPONENTS['science/numpy']}/manifest"
    answers = [ask(acme, path % product) for product in ("science", "nosuchproduct")]
    alike = len({re.sub(r'"(request|time)":"[^"]*"', "", body) for _, body in answers}) == 1
    statuses = " and ".join(status for status, _ in answers)
    stage.expect(
        "the same by hand, and no such product", "403 and 403, alike", f"{statuses}, {'' if alike else 'not '}alike"
    )

    stage.title("Connections that are not of this CA")
    nobody = ssl._create_unverified_context()  # noqa: S323, SLF001 - an attacker does not check who we are
    stage.expect("no certificate", "nothing read", ask(nobody, "/licences")[0])
    foreign = ssl._create_unverified_context()  # noqa: S323, SLF001
    foreign.load_cert_chain(stage.folder / "foreign/acme.crt", stage.folder / "foreign/acme.key")
    stage.expect("a certificate of a foreign CA", "nothing read", ask(foreign, "/licences")[0])

    stage.title("A stolen client is revoked")
    stage.run("spot", "--root", "initech", "enrol", "initech.bundle")
    stage.run("spot", "--root", "initech", "install", "sdk/botocore", "--version", "1.40.0")
    spot_ca(stage, "revoke", "initech", "--reason", "key-compromise")
    time.sleep(2)  # the mirror rereads its revocation list every second
    done = stage.run("spot", "--root", "initech", "update", fails=True)
    stage.expect("a revoked client", "exit 12: revoked", done.told("revoked", "revoked"))


def other_server(stage: Stage) -> None:
    """A server with another certificate of our own CA is not the pinned one."""
    stage.title("A server with another certificate of our own CA")
    config = (stage.folder / "mirror.toml").read_text()
    config = config.replace(f":{PORT}", f":{OTHER_PORT}").replace("certs/mirror1.", "certs/mirror2.")
    config = config.replace('data = "data"', 'data = "other-data"')  # one folder is served by one mirror
    shutil.copytree(stage.folder / "data", stage.folder / "other-data")
    (stage.folder / "other.toml").write_text(config)
    pid = stage.serve("other.toml", OTHER_PORT)
    bundle(stage, "acme", f"https://127.0.0.1:{OTHER_PORT}=certs/mirror1.crt", "misled.bundle")
    done = stage.run("spot", "--root", "misled", "enrol", "misled.bundle", fails=True)
    stage.expect("SPOT meets another server", "exit 3: not pinned", done.told("pinned", "not pinned"))
    stage.stop(keep=[server for server in stage.running() if server != pid])


def tampered_cache(stage: Stage) -> None:
    """Every byte is checked before use: what was tampered with is found, and fetched again."""
    stage.title("Somebody tampers with acme's cache, and with the version kept for going back")
    version_file = "botocore/__init__.py"
    kept = stage.folder / "acme/sdk/botocore/versions/1.40.0" / version_file
    content = kept.read_bytes()
    cached = next(
        path for path in (stage.folder / "acme/.spot/cache/files").glob("??/*") if path.read_bytes() == content
    )
    for path in (kept, cached):
        path.write_bytes(content.replace(b"1.40.0", b"6.6.6"))
    done = stage.run("spot", "--root", "acme", "rollback", "sdk/botocore")
    found = "is damaged" in done.output
    fetched = first(r"fetched ([\d.]+ (?:[KM]i)?B)", done.output)
    stage.expect(
        "a tampered cache file",
        "found, fetched again",
        f"{'found' if found else 'not found'}, {'fetched again' if fetched != '?' else 'not fetched'}",
    )
    stage.expect("and the version in use is whole", re.escape("1.40.0"), botocore_version(stage))
    stage.run("spot", "--root", "acme", "update")


def support(stage: Stage) -> None:
    """Support reads the thin snapshots."""
    stage.title("What support reads")
    stage.run("spot", "--root", "acme", "thin-snapshot", "--show")
    stage.run("spot-mirror", "thin-snapshots", "list")
    short = first(r"Installation:\s+(\S+)", stage.run("spot", "--root", "acme", "status", show=False).output)
    shown = stage.run("spot-mirror", "thin-snapshots", "show", short, "--history").output
    stage.expect("support reads acme's versions", "sdk/botocore 1.40.1", first(r"(sdk/botocore\s+1\.40\.1)", shown))
    other = first(r"Installation:\s+(\S+)", stage.run("spot", "--root", "globex", "status", show=False).output)
    stage.run("spot-mirror", "thin-snapshots", "diff", short, other)


def spot_ca(stage: Stage, *command: str) -> None:
    """Run spot-ca with the demo's passphrase."""
    stage.run("spot-ca", "--passphrase-file", "ca.pass", *command)


def bundle(stage: Stage, customer: str, mirror: str, name: str) -> None:
    """Write a bundle."""
    root = ("--catalogue-root", "data/catalogue/1.root.json")
    spot_ca(stage, "bundle", customer, "--mirror", mirror, *root, "--out", name)


def botocore_version(stage: Stage) -> str:
    """What the botocore that acme has in use says of itself."""
    source = (stage.folder / "acme/sdk/botocore/current/botocore/__init__.py").read_text()
    return first(r"__version__ = '([^']+)'", source)


def client_context(stage: Stage, customer: str) -> ssl.SSLContext:
    """TLS with a customer's certificate, to speak to the mirror without SPOT."""
    context = ssl.create_default_context(cafile=str(stage.folder / "certs/mirror1.crt"))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_cert_chain(stage.folder / customer / ".spot/client.pem")
    return context


def ask(context: ssl.SSLContext, path: str) -> tuple[str, str]:
    """Status and body of a GET, or `nothing read`."""
    raw = b""
    try:
        plain = socket.create_connection(("127.0.0.1", PORT), timeout=10)
        with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            while piece := secure.recv(65536):
                raw += piece
    except OSError as error:
        if not raw:
            print(f"  ({error})")
    head, _, body = raw.partition(b"\r\n\r\n")
    return (head.split()[1].decode(), body.decode()) if head else ("nothing read", "")


def _check_ports() -> None:
    for port in (PORT, OTHER_PORT):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                sys.exit(
                    f"demo: port {port} on 127.0.0.1 is taken: stop what uses it, perhaps an earlier demo's mirror."
                )


if __name__ == "__main__":
    main()
