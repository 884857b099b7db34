"""The signed list of mirrors, as a vendor publishes it, and servers that show what stands there."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from ca.profiles import SERVER
from ca.tls import server_context
from spot_client.wire import document, trust
from spot_client.wire.routes import TARGET_BASE
from spot_client.wire.trust import OfficialMirror, Trust
from tests.ca.house import HOSTS, House, Party, pem_of, sign
from tests.spot_client.fetch.server import Server
from tests.spot_client.vendor import Vendor


def new_server(house: House) -> Party:
    """A certificate for loopback, with a key of its own."""
    return sign(ec.generate_private_key(ec.SECP256R1()), HOSTS, SERVER, house.issuing.issuer)


def show(server: Server, house: House, party: Party, folder: Path) -> None:
    """Let the server show this certificate."""
    files = party.files(folder, f"server-{party.certificate.serial_number}")
    server.show(server_context(**files, issuing_cas=[house.issuing.certificate]))


def mirror(url: str, current: Party, following: Party | None = None, backup: Party | None = None) -> OfficialMirror:
    """A line of the list."""
    pins = (None if party is None else pem_of(party.certificate).decode() for party in (following, backup))
    return OfficialMirror(url, pem_of(current.certificate).decode(), *pins)


def listed(*mirrors: OfficialMirror) -> bytes:
    """The list as a vendor's tools write it; nothing is checked."""
    return document.encode(Trust(mirrors=mirrors))


def publish(vendor: Vendor, raw: bytes, role: str = trust.ROLE, *paths: str) -> None:
    """Sign for these bytes as the list of mirrors, by a role that may sign `paths`, or by `house`."""
    target = vendor.repository.offer(role, trust.PATH, raw)
    delegations = vendor.repository.targets.delegations
    assert delegations is not None
    assert delegations.roles is not None
    if role == trust.ROLE:
        delegations.roles[role].paths = [trust.PATH]
    elif paths:
        delegations.roles[role].paths = list(paths)
    vendor.files[f"{TARGET_BASE}{target.get_prefixed_paths()[0]}"] = raw
    vendor.repository.sign()
    vendor.lay_out()
