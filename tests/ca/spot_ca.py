"""spot-ca on a folder, in this process, as its tests need it."""

from datetime import UTC, datetime
from pathlib import Path

from click.testing import CliRunner, Result
from cryptography import x509

from ca.cli import cli
from ca.revocation import read_crl

PASSPHRASE = "correct horse"
ENV = {"SPOT_CA_PASSPHRASE": PASSPHRASE}
ROOT_JSON = '{"signed":{"_type":"root"}}'


class Spot:
    """spot-ca on one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def try_(self, *arguments: str | Path, env: dict[str, str] | None = None) -> Result:
        command = ["--dir", str(self.folder), *map(str, arguments)]
        environment = {"SPOT_CA_PASSPHRASE": None, **(ENV if env is None else env)}
        result = CliRunner(env=environment).invoke(cli, command)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert PASSPHRASE not in result.output
        return result

    def __call__(self, *arguments: str | Path) -> str:
        result = self.try_(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def refused(self, code: int, *arguments: str | Path, env: dict[str, str] | None = None) -> str:
        result = self.try_(*arguments, env=env)
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        return result.stderr

    def revoked(self) -> frozenset[int]:
        issuer = certificate(self.folder / "issuing.crt")
        raw = (self.folder / "crl/issuing.crl").read_bytes()
        return read_crl(raw, issuer, now=datetime.now(UTC), previous=None).serials


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def issue_server(spot: Spot, name: str = "mirror-1") -> Path:
    spot("issue", "server", name, "--dns", "localhost", "--ip", "127.0.0.1", "--key-type", "ecdsa-p256")
    return spot.folder / "issued" / f"{name}.crt"


def issue_client(spot: Spot, customer: str = "acme") -> Path:
    spot("issue", "client", customer, "--key-type", "ecdsa-p256")
    return spot.folder / "issued" / f"{customer}.crt"
