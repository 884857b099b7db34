"""An installation gets a certificate of its own and renews it, with the real programs: SPOT on the machine, a mirror
that signs nothing, and the host that signs, which only calls."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from spot_client import certificate
from spot_client.certificate import Kind
from tests.e2e.world import BIN, REALM, World

KEYS = ("--key-type", "ecdsa-p256")


class Vendor(World):
    """A CA, a mirror with its operator listener, and one customer; nothing is published."""

    operators = ""

    def make(self) -> None:
        """All but the running mirror."""
        self.succeed("spot-ca", "init", "--realm", REALM, *KEYS)
        names = ("--ip", "127.0.0.1", "--out", self.folder / "certs", *KEYS)
        self.succeed("spot-ca", "issue", "server", "mirror1", *names)
        self.succeed("spot-ca", "issue", "ca-operator", "issuing-host", "--out", self.folder / "certs", *KEYS)
        files = ("--certificate", "certs/mirror1.crt", "--key", "certs/mirror1.key")
        trust = ("--issuing-ca", "ca/issuing.crt", "--crl", "ca/crl/issuing.crl")
        self.succeed(
            "spot-mirror", "init", "--development", "--realm", REALM, "--listen", "127.0.0.1:0", *files, *trust
        )
        config = self.folder / "mirror.toml"
        config.write_text(f'{config.read_text()}\n[operator]\nlisten = "127.0.0.1:0"\n')
        self.succeed("spot-mirror", "customer", "add", "acme")
        self.succeed("spot-mirror", "licence", "grant", "acme", "sdk", "--installations", "9")

    def serve(self) -> "subprocess.Popen[bytes]":
        """Start the mirror; returns once both listeners are known."""
        log = self.folder / "serve.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [str(BIN / "spot-mirror"), "serve"],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        assert process.stdout is not None
        self.port = int(process.stdout.readline().decode().split("https://127.0.0.1:")[1].split(",")[0])
        self.until(lambda: "operators" in log.read_text())
        line = next(line for line in log.read_text().splitlines() if "operators" in line)
        found = re.search(r"127\.0\.0\.1:\d+", line)
        assert found is not None
        self.operators = f"https://{found[0]}"
        return process

    def bundle(self, name: str, *options: str) -> str:
        pin = f"{self.url}=certs/mirror1.crt"
        root = ("--catalogue-root", "data/catalogue/1.root.json", *KEYS)
        self.succeed("spot-ca", "bundle", "acme", "--mirror", pin, *root, *options, "--out", name)
        return name

    def sign(self) -> str:
        """What the timer on the host that signs does."""
        ours = ("--certificate", "certs/issuing-host.ca-operator.crt", "--key", "certs/issuing-host.ca-operator.key")
        pin = ("--pin", "certs/mirror1.crt")
        return self.succeed("spot-ca", "renewals", "--mirror", self.operators, *ours, *pin)

    def kind(self, root: Path) -> Kind:
        found = certificate.held(root / ".spot/client.pem")
        assert found is not None
        return found.kind

    def renew(self, root: Path, *options: str) -> dict[str, str]:
        found: dict[str, str] = msgspec.json.decode(self.spot(root, "renew", "--json", *options))
        return found


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    vendor = Vendor(tmp_path_factory.mktemp("vendor"))
    vendor.make()
    process = vendor.serve()
    yield vendor
    for number in (signal.SIGTERM, signal.SIGTERM):
        process.send_signal(number)
    process.communicate(timeout=30)


@pytest.mark.slow
def test_from_the_bundle_to_its_own_and_to_the_next(vendor: Vendor, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert "waiting for your vendor" in vendor.spot(root, "enrol", vendor.bundle("acme.bundle"))
    assert vendor.renew(root)["state"] == "waiting"
    assert "Signed" in vendor.sign()
    assert vendor.renew(root, "--now")["state"] == "picked-up"
    assert vendor.kind(root) is Kind.OWN
    vendor.spot(root, "thin-snapshot")
    first = (root / ".spot/client.pem").read_bytes()
    assert vendor.renew(root, "--now")["state"] == "waiting"
    vendor.spot(root, "thin-snapshot")
    assert "Signed" in vendor.sign()
    assert vendor.renew(root, "--now")["state"] == "picked-up"
    assert (root / ".spot/client.pem").read_bytes() != first
    vendor.spot(root, "thin-snapshot")
    vendor.spot(root, "enrol", "acme.bundle")
    assert vendor.kind(root) is Kind.OWN
    assert "Nothing waits" in vendor.sign()
