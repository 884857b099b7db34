"""What a mirror and the issuing host behind it do about certificates, by the contract, with a real CA; nothing is kept
on a disk. A `Desk` with an office answers everything else as before, to whoever may ask for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
from cryptography import x509

from ca.identity import Identity, Role
from ca.issue import Request, issue
from ca.peer import read_peer
from ca.profiles import CLIENT, ENROL, Profile
from ca.request import read_request
from spot_client.wire import est
from tests.ca.house import REALM, House, Party, der_of, sign
from tests.spot_client.desk import Desk
from tests.spot_client.fetch.server import Asked, problem, reply
from tests.spot_client.vendor import MINTED

ENROL_PATH, REENROL_PATH = "/.well-known/est/simpleenroll", "/.well-known/est/simplereenroll"
DAY = timedelta(days=1)


class Office:
    """Signs when it is told to.

    signs: whether the issuing host has come by. ids: installations by Idempotency-Key. owners: who has its own.
    life, ago: how long certificates hold, and how long ago they began.
    denied: it has refused. revoked: serials. bodies: the requests that came. given: by request, the certificate.
    spoil: changes a certificate on its way.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.signs = self.denied = False
        self.retry_after = "60"
        self.life, self.ago = 100 * DAY, timedelta(0)
        self.revoked: set[int] = set()
        self.bodies: list[tuple[str, bytes]] = []
        self.given: dict[bytes, bytes] = {}
        self.owners: set[str] = set()
        self.ids: dict[str, str] = {}
        self.spoil: Callable[[bytes], bytes] = lambda der: der
        self._serials = iter(range(10**9, 2 * 10**9))

    def open(self, desk: Desk) -> "Office":
        """Stand in front of a desk's mirror."""
        inner = desk.behave
        desk.est = self.est

        def behave(asked: Asked) -> bytes:
            answer = self.policy(asked) or inner(asked)
            if asked.path != "/installations" or b"201" not in answer:
                return answer
            key = asked.headers["idempotency-key"]
            minted = self.ids.setdefault(key, f"{MINTED[:-2]}{len(self.ids):02}" if self.ids else MINTED)
            return answer.replace(MINTED.encode(), minted.encode())

        desk.server.behave = behave
        return self

    def policy(self, asked: Asked) -> bytes:
        """The refusal of what a caller may not ask for; empty if it may."""
        peer = read_peer(asked.peer)
        assert peer.identity is not None
        if peer.serial in self.revoked:
            return problem("403 Forbidden", "revoked")
        if peer.not_after < datetime.now(UTC) and asked.path != REENROL_PATH:
            return problem("403 Forbidden", "expired")
        if peer.identity.role is Role.ENROL and asked.path not in {"/installations", ENROL_PATH}:
            return problem("403 Forbidden", "enrol-only")
        if peer.identity.installation and asked.path == "/installations":
            return problem("403 Forbidden", "not-your-installation")
        owned = any(uri.split("/")[-1] in asked.path for uri in self.owners)
        if owned and not peer.identity.installation and asked.path.endswith("/thin-snapshot"):
            return problem("403 Forbidden", "own-certificate")
        return b""

    def est(self, asked: Asked) -> bytes:
        """Enrolment and renewal."""
        self.bodies.append((asked.path, asked.body))
        assert asked.headers["content-type"] == est.REQUEST_TYPE
        der = est.decode_request(asked.body)
        wanted, caller = read_request(der), read_peer(asked.peer).identity
        assert caller is not None
        if (asked.path == REENROL_PATH) != (caller == wanted.identity):
            return problem("422 Unprocessable Content", "bad-certificate-request")
        if self.denied:
            return problem("403 Forbidden", "request-denied", "No.")
        if der not in self.given:
            if wanted.identity.uri in self.owners and asked.path == ENROL_PATH:
                return problem("403 Forbidden", "own-certificate")
            if not self.signs:
                return reply("202 Accepted", Retry_After=self.retry_after)
            self.given[der] = self.sign(x509.load_der_x509_csr(der), wanted.identity)
            self.owners.add(wanted.identity.uri)
        return reply(body=est.encode_answer(self.spoil(self.given[der])), Content_Type=est.ANSWER_TYPE)

    def sign(self, request: x509.CertificateSigningRequest, identity: Identity) -> bytes:
        """The certificate, DER."""
        profile, now = msgspec.structs.replace(CLIENT, lifetime=self.life), datetime.now(UTC) - self.ago
        asked, serial = Request(request.public_key(), identity), next(self._serials)
        return der_of(issue(asked, profile, self.house.issuing.issuer, serial=serial, now=now))


def party(house: House, role: Role, life: timedelta, ago: timedelta = timedelta(0)) -> Party:
    """What a bundle for acme carries."""
    base: Profile = ENROL if role is Role.ENROL else CLIENT
    profile, now = msgspec.structs.replace(base, lifetime=life), datetime.now(UTC) - ago
    return sign(house.keys["leaf"], Identity(REALM, role, "acme"), profile, house.issuing.issuer, now)
