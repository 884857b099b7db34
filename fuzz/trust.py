"""The targets of `ca`: certificates, pins, revocation lists, bundles. Keys are fixed numbers: they protect nothing."""

from base64 import encodebytes
from datetime import UTC, datetime
from functools import partial
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca import bundle
from ca.errors import BundleError, IdentityError, RequestError, RevocationError, TlsError
from ca.identity import Role, make
from ca.issue import Issuer, Request, Revoked, build_crl, issue
from ca.peer import read_peer
from ca.pins import read_pins
from ca.profiles import CLIENT, ISSUING, ROOT, SERVER, Profile
from ca.request import read_request
from ca.revocation import read_crl
from ca.subjects import Authority, Hosts, Subject
from fuzz.script import change_bytes
from fuzz.shapes import Node, change_der, change_json
from fuzz.target import Target, same
from spot_client.wire import est
from spot_client.wire.errors import FormatError

_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_REALM: Final = "build.example.com"
_ROOT_KEY, _ISSUING_KEY, _LEAF_KEY = (ec.derive_private_key(number, ec.SECP256R1()) for number in (7, 8, 9))
_ECDSA_WITH_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 5758 §3.2


def targets() -> tuple[Target, ...]:
    """All of them."""
    root = _sign(_ROOT_KEY, Authority(_REALM), ROOT, Issuer(_ROOT_KEY, None))
    issuing = _sign(_ISSUING_KEY, Authority(_REALM), ISSUING, Issuer(_ROOT_KEY, root))
    signer = Issuer(_ISSUING_KEY, issuing)
    client = _sign(_LEAF_KEY, make(_REALM, Role.CLIENT, "acme"), CLIENT, signer)
    server = _sign(_LEAF_KEY, Hosts("mirror-1", ("localhost",), ("127.0.0.1",)), SERVER, signer)
    certificates = tuple(one.public_bytes(Encoding.DER) for one in (client, server, issuing))
    revoked = [Revoked(5, _NOW, "key-compromise"), Revoked(1 << 150, _NOW, "unspecified")]
    crl = build_crl(issuing, _ISSUING_KEY, revoked, number=3, now=_NOW)
    whole = (crl.public_bytes(Encoding.DER), crl.public_bytes(Encoding.PEM))
    read_whole, read_signed = partial(_read_crl, issuing), partial(_read_signed_crl, issuing)
    refusal = (RevocationError,)
    return (
        Target(name="certificate", seeds=certificates, read=_read_peer, refusals=(IdentityError,), change=change_der),
        Target(
            name="pins",
            seeds=(server.public_bytes(Encoding.PEM), server.public_bytes(Encoding.PEM) * 2),
            read=lambda raw: read_pins(raw) != (),
            refusals=(TlsError,),
            change=change_bytes,
        ),
        Target(name="pinned", seeds=certificates, read=_read_pinned, refusals=(TlsError,), change=change_der),
        Target(name="crl", seeds=whole, read=read_whole, refusals=refusal, change=change_bytes),
        Target(
            name="signed-crl",
            seeds=(crl.tbs_certlist_bytes,),
            read=read_signed,
            refusals=refusal,
            change=change_der,
        ),
        Target(
            name="bundle",
            seeds=(bundle.encode(_bundle(client, server)),),
            read=_read_bundle,
            refusals=(BundleError,),
            change=change_json,
        ),
        *_requests(client),
    )


def _requests(client: x509.Certificate) -> tuple[Target, ...]:
    """What asks for a certificate, and what hands one out."""
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(make(_REALM, Role.CLIENT, "acme", "one").uri)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
    request = builder.sign(_LEAF_KEY, SHA256())
    whole, signed = request.public_bytes(Encoding.DER), request.tbs_certrequest_bytes
    answer = est.decode_request(est.encode_answer(client.public_bytes(Encoding.DER)))  # both are base64 of DER
    refusal = (RequestError,)
    return (
        Target(name="request", seeds=(whole,), read=_read_request, refusals=refusal, change=change_der),
        Target(name="signed-request", seeds=(signed,), read=_read_signed_request, refusals=refusal, change=change_der),
        Target(name="est", seeds=(answer,), read=_read_answer, refusals=(FormatError,), change=change_der),
    )


def _sign(key: ec.EllipticCurvePrivateKey, subject: Subject, profile: Profile, signer: Issuer) -> x509.Certificate:
    return issue(Request(key.public_key(), subject), profile, signer, serial=7, now=_NOW)


def _bundle(client: x509.Certificate, server: x509.Certificate) -> bundle.Bundle:
    key = _LEAF_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pin = server.public_bytes(Encoding.PEM).decode()
    return bundle.Bundle(
        realm=_REALM,
        customer="acme",
        client_certificate=client.public_bytes(Encoding.PEM).decode(),
        client_key=key.decode(),
        mirrors=(bundle.MirrorPins("https://localhost:8443", (pin,)),),
        catalogue_root='{"signed":{"_type":"root"}}',
    )


def _read_peer(raw: bytes) -> bool:
    return read_peer(raw).problems == ()


def _read_pinned(raw: bytes) -> bool:
    """As PEM: changes in its base 64 would get no further than to it."""
    (pin,) = read_pins(_pem(raw))
    return same("pin", pin, raw)


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + encodebytes(der) + b"-----END CERTIFICATE-----\n"


def _read_crl(issuing: x509.Certificate, raw: bytes) -> bool:
    found = read_crl(raw, issuing, now=_NOW, previous=None)
    return same("CRL read again", read_crl(raw, issuing, now=_NOW, previous=found), found)


def _read_signed_crl(issuing: x509.Certificate, tbs: bytes) -> bool:
    """What the CA signs (RFC 5280 §5.1), signed: so what only the CA could send."""
    signature = Node(0x03, b"\0" + _ISSUING_KEY.sign(tbs, ec.ECDSA(SHA256()))).encode()
    return _read_crl(issuing, Node(0x30, tbs + _ECDSA_WITH_SHA256 + signature).encode())


def _read_request(raw: bytes) -> bool:
    return same("request read again", read_request(raw), read_request(raw))


def _read_signed_request(tbs: bytes) -> bool:
    """What its key signs (RFC 2986 §4.2), signed: so what only who holds the key could send."""
    signature = Node(0x03, b"\0" + _LEAF_KEY.sign(tbs, ec.ECDSA(SHA256()))).encode()
    return _read_request(Node(0x30, tbs + _ECDSA_WITH_SHA256 + signature).encode())


def _read_answer(raw: bytes) -> bool:
    found = est.decode_answer(est.encode_request(raw))
    return same("certificate", est.decode_answer(est.encode_answer(found)), found)


def _read_bundle(raw: bytes) -> bool:
    found = bundle.decode(raw)
    bundle.check(found)
    return same("bundle", bundle.encode(found), raw)
