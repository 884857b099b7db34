"""Certificates that spot-ca does not issue: in the past, in the future, of other roles. Signed by the world's CA."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import random_serial_number

from ca.identity import Identity, Role
from ca.issue import Issuer, Request, issue
from ca.profiles import CLIENT, ISSUING, Profile
from ca.subjects import Hosts
from ca.vault import open_vault
from tests.e2e.world import REALM, World


class Files(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: Path
    key: Path


class Mint:
    """Issues as the world's issuing CA into `folder`."""

    def __init__(self, world: World, folder: Path) -> None:
        self._folder = folder
        with open_vault(world.folder / "ca") as vault:
            self.issuer = vault.unlock(ISSUING.name, world.environment["SPOT_CA_PASSPHRASE"])

    def __call__(
        self,
        subject: Identity | Hosts,
        profile: Profile = CLIENT,
        *,
        ago: timedelta = timedelta(0),
        issuer: Issuer | None = None,
    ) -> Files:
        """A certificate issued so long `ago`."""
        key = ec.generate_private_key(ec.SECP256R1())
        request, serial = Request(key.public_key(), subject), random_serial_number()
        certificate = issue(request, profile, issuer or self.issuer, serial=serial, now=datetime.now(UTC) - ago)
        files = Files(self._folder / f"{serial:x}.crt", self._folder / f"{serial:x}.key")
        files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        files.key.touch(mode=0o600)
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


def acme(realm: str = REALM) -> Identity:
    """The identity in acme's certificate."""
    return Identity(realm, Role.CLIENT, "acme")
