"""A hostile mirror where SPOT asks for its own certificate: it can refuse one, and never has SPOT use a wrong one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from ca.identity import Identity, Role
from ca.issue import Request, issue
from ca.profiles import CLIENT
from ca.tls import server_context
from spot_client.wire import est
from tests.ca.house import REALM, House, der_of, make_house
from tests.hostile.catalogue import guards
from tests.hostile.catalogue.stage import Stage
from tests.hostile.catalogue.table import attack
from tests.spot_client.fetch.server import Asked, reply
from tests.spot_client.vendor import MINTED

CERTIFICATES = "an installation's own certificate"
RENEW = ("renew", "--now")
OWN = Identity(REALM, Role.CLIENT, "acme", MINTED)


@attack(
    CERTIFICATES,
    "It hands out a certificate for a key of its own.",
    guard=guards.HELD_TO_KEY,
    stopped="other-certificate",
    command=RENEW,
)
def certificate_for_another_key(stage: Stage) -> Iterator[None]:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    _hand_out(stage, lambda _: _certificate(stage.house, key, OWN))
    yield


@attack(
    CERTIFICATES,
    "It hands out a certificate of another installation, which would report in its place.",
    guard=guards.HELD_TO_NAME,
    stopped="other-certificate",
    command=RENEW,
)
def certificate_of_another(stage: Stage) -> Iterator[None]:
    other = Identity(REALM, Role.CLIENT, "acme", "0" * 16)
    _hand_out(stage, lambda request: _certificate(stage.house, request.public_key(), other))
    yield


@attack(
    CERTIFICATES,
    "It hands out a certificate of another CA, with which SPOT could never connect again.",
    guard=guards.SHOWN_FIRST,
    stopped="unproven-certificate",
    command=RENEW,
)
def certificate_of_another_ca(stage: Stage) -> Iterator[None]:
    stranger = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    _hand_out(stage, lambda request: _certificate(stranger, request.public_key(), OWN))
    yield


@attack(
    CERTIFICATES,
    "It hands out a certificate of another CA, and takes it itself; the good mirror does not.",
    guard=guards.SHOWN_TO_ALL,
    stopped="unproven-certificate",
    beside=True,
    command=RENEW,
)
def certificate_that_the_liar_takes(stage: Stage) -> Iterator[None]:
    stranger = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    files = stage.house.server.files(stage.folder, "server")
    both = [stage.house.issuing.certificate, stranger.issuing.certificate]
    stage.mirrors[0].show(server_context(**files, issuing_cas=both))
    _hand_out(stage, lambda request: _certificate(stranger, request.public_key(), OWN))
    yield


def _hand_out(stage: Stage, make: Callable[[x509.CertificateSigningRequest], bytes]) -> None:
    def answer(asked: Asked) -> bytes:
        request = x509.load_der_x509_csr(est.decode_request(asked.body))
        return reply(body=est.encode_answer(make(request)), Content_Type=est.ANSWER_TYPE)

    stage.say("/simpleenroll", answer)


def _certificate(house: House, key: CertificatePublicKeyTypes, subject: Identity) -> bytes:
    wanted = Request(key, subject)
    return der_of(issue(wanted, CLIENT, house.issuing.issuer, serial=4711, now=datetime.now(UTC)))
