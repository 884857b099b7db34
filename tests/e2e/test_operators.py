"""The host that signs and a running mirror: `spot-ca push`, `spot-ca renewals`, `spot-ca revoke --push`."""

import http.client
import json
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.pins import read_pins
from ca.tls import client_context
from spot_client.wire import est
from tests.e2e.world import REALM, World, make_world, serve, stop

ENROL, REENROL = "/.well-known/est/simpleenroll", "/.well-known/est/simplereenroll"
Reply = tuple[int, bytes]


class Machine:
    """Asks for certificates as any client of RFC 7030 would."""

    def __init__(self, world: World, certificate: Path, key: Path) -> None:
        self.world = world
        pins = read_pins((world.folder / "certs/mirror1.crt").read_bytes())
        self.context = client_context(certificate=certificate, key=key, pins=pins)

    def ask(self, method: str, path: str, body: bytes | None = None, kind: str = est.REQUEST_TYPE) -> Reply:
        connection = http.client.HTTPSConnection("127.0.0.1", self.world.port, timeout=10, context=self.context)
        with closing(connection):
            connection.request(method, path, body, {"Content-Type": kind})
            with connection.getresponse() as response:
                return response.status, response.read()

    def reason(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        status, raw = self.ask(method, path, body)
        return status, json.loads(raw)["reason"]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def request(key: ec.EllipticCurvePrivateKey, installation: str) -> bytes:
    name = x509.UniformResourceIdentifier(f"spiffe://{REALM}/client/acme/{installation}")
    builder = x509.CertificateSigningRequestBuilder(x509.Name([]))
    builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return est.encode_request(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER))


def machine_with(world: World, name: str, key: ec.EllipticCurvePrivateKey, answer: bytes) -> Machine:
    """A machine that picked its certificate up."""
    certificate, path = world.folder / f"{name}.crt", world.folder / f"{name}.key"
    certificate.write_bytes(x509.load_der_x509_certificate(est.decode_answer(answer)).public_bytes(Encoding.PEM))
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Machine(world, certificate, path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


@pytest.mark.slow
def test_the_life_of_a_certificate(world: World) -> None:
    """Enrolled, renewed, copied by a thief, and revoked with all that came of it."""
    mirror = serve(world)
    try:
        world.succeed("spot-ca", "issue", "client", "acme", "--key-type", "ecdsa-p256", "--out", "certs")
        certs = world.folder / "certs"
        package = Machine(world, certs / "acme.crt", certs / "acme.key")
        status, raw = package.ask("POST", "/installations")
        assert status == 201
        installation = json.loads(raw)["installation"]

        # It asks, the host signs, it picks the certificate up.
        assert "Nothing waits" in world.succeed("spot-ca", "renewals", *world.operating)
        first_key = new_key()
        first = request(first_key, installation)
        assert package.ask("POST", ENROL, first) == (202, b"")
        assert "Would sign" in world.succeed("spot-ca", "renewals", "--dry-run", *world.operating)
        said = world.succeed("spot-ca", "renewals", *world.operating)
        assert f"Signed spiffe://{REALM}/client/acme/{installation}" in said
        status, answer = package.ask("POST", ENROL, first)
        assert status == 200
        itself = machine_with(world, "itself", first_key, answer)
        assert itself.ask("GET", "/licences")[0] == 200
        assert package.reason("POST", ENROL, request(new_key(), installation)) == (403, "own-certificate")

        # It renews. The thief, who copied its key before, renews as well: nobody knows who is who.
        second_key = new_key()
        second = request(second_key, installation)
        assert itself.ask("POST", REENROL, second)[0] == 202
        (document,) = json.loads(world.succeed("spot-ca", "renewals", "--json", *world.operating))
        (signed,) = document["requests"]
        assert (signed["outcome"], signed["again"]) == ("signed", False)
        renewed = machine_with(world, "renewed", second_key, itself.ask("POST", REENROL, second)[1])
        assert itself.ask("POST", REENROL, request(new_key(), installation))[0] == 202
        held = world.run("spot-ca", "renewals", *world.operating)
        assert held.code == 6
        assert "HELD" in held.out
        assert "clone-suspected" in held.out

        # Revoked by its name, all of it goes, and what waits is denied.
        out = world.succeed("spot-ca", "revoke", f"acme/{installation}", "--push", *world.operating)
        assert f"{world.operator_url} holds to CRL 2" in out
        for one in (itself, renewed):
            assert one.reason("GET", "/licences") == (403, "revoked")
        assert package.ask("GET", "/licences")[0] == 200
        assert "(revoked)" in world.succeed("spot-ca", "renewals", *world.operating)
        assert "Nothing waits" in world.succeed("spot-ca", "renewals", *world.operating)
    finally:
        stop(mirror)


@pytest.mark.slow
def test_a_mirror_that_cannot_be_reached_keeps_the_list_from_no_other(world: World) -> None:
    mirror = serve(world)
    try:
        world.succeed("spot-ca", "crl")
        done = world.run("spot-ca", "push", "--mirror", "https://127.0.0.1:1", *world.operating)
        assert done.code == 3
        assert "holds to CRL 2" in done.out
        assert "https://127.0.0.1:1 does not answer" in done.err
        assert "1 of 2 mirrors did not take the CRL" in done.err
        nowhere = world.run("spot-ca", "push")
        assert (nowhere.code, "No mirror is named" in nowhere.err) == (3, True)
    finally:
        stop(mirror)
