"""Requests for certificates and revocation lists that are not to be believed, over the wire and as a file.

Each is refused by name in the audit or the log; a customer's client reads one sentence, and what was good stays.
"""

import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import NOW, House
from tests.hostile.forge import ACME, forge_request, rsa_key, uri
from tests.mirror.content.rig import Mirror
from tests.mirror.content.test_certificates import ENROL, REENROL, enrolled, post
from tests.mirror.control.processes import logged
from tests.mirror.operator.conftest import operator_of, operator_party
from tests.mirror.operator.test_operators import crl, refused

KEY: Final = ec.generate_private_key(ec.SECP256R1())
REFUSED: Final = "refused, the last good one stays"
HUGE: Final = 50 * 2**20
"""Bytes of a list that is longer than any that is read."""


def of_another_key(der: bytes) -> bytes:
    """The request with another key in the place of its own: nobody has proved that it holds that one."""
    other = forge_request(ec.generate_private_key(ec.SECP256R1()))
    ours, theirs = (x509.load_der_x509_csr(raw).public_key() for raw in (der, other))
    assert isinstance(ours, ec.EllipticCurvePublicKey)
    assert isinstance(theirs, ec.EllipticCurvePublicKey)
    points = [key.public_numbers() for key in (ours, theirs)]
    mine, its = (point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big") for point in points)
    assert der.count(mine) == 1
    return der.replace(mine, its)


REQUESTS: Final[dict[str, tuple[str, Callable[[str], bytes]]]] = {
    "a key of 1024 bits": ("weak-key", lambda mine: forge_request(rsa_key(1024), uri(mine))),
    "a curve of 224 bits": (
        "weak-key",
        lambda mine: forge_request(ec.generate_private_key(ec.SECP224R1()), uri(mine)),
    ),
    "no proof": ("no-proof", lambda mine: of_another_key(forge_request(KEY, uri(mine)))),
    "a broken proof": ("no-proof", lambda mine: broken(forge_request(KEY, uri(mine)))),
    "two identities": ("two-sans", lambda mine: forge_request(KEY, uri(mine), uri(ACME))),
    "no identity": ("no-san", lambda _: forge_request(KEY)),
    "a host": ("not-a-uri", lambda _: forge_request(KEY, x509.DNSName("updates.example.com"))),
    "percent": ("bad-id", lambda mine: forge_request(KEY, uri(mine.replace("/acme/", "/ac%6de/")))),
    "a wildcard": ("bad-id", lambda _: forge_request(KEY, uri(f"{ACME}/*"))),
    "another customer": (
        "another identity",
        lambda mine: forge_request(KEY, uri(mine.replace("/acme/", "/globex/"))),
    ),
    "another realm": (
        "another identity",
        lambda mine: forge_request(KEY, uri(mine.replace("build.example.com", "other.example.com"))),
    ),
}


def broken(der: bytes) -> bytes:
    """The request with another signature than its own, in form."""
    other = forge_request(KEY)
    mine, its = (x509.load_der_x509_csr(raw).signature for raw in (der, other))
    while len(its) != len(mine):
        its = x509.load_der_x509_csr(forge_request(KEY)).signature
    assert der.endswith(mine)
    return der.removesuffix(mine) + its


@pytest.mark.parametrize(("why", "make"), REQUESTS.values(), ids=list(REQUESTS))
def test_a_request_that_nobody_may_make_is_refused_in_one_sentence(
    mirror: Mirror, why: str, make: Callable[[str], bytes]
) -> None:
    acme, installation = enrolled(mirror, mirror.party())
    itself = mirror.caller(mirror.party(installation=installation))
    for caller, path in ((acme, ENROL), (itself, REENROL)):
        status, _, body = post(caller, path, make(f"{ACME}/{installation}"))
        assert status == 422
        assert b'"detail":"This is not a request for a certificate that the caller may have."' in body
        assert b'"reason":"bad-certificate-request"' in body
        assert why.encode() not in body
        assert mirror.audited(reason="bad-certificate-request", detail=why, customer="acme", status=422)
    with mirror.records() as records:
        assert [one for one in records.waiting(0, 100) if one.asked.installation == installation] == []


def by_sha1(house: House, folder: Path) -> bytes:
    """A list of our issuing CA's own, by a digest that our libraries no longer sign with."""
    files = house.issuing.files(folder, "ca")
    (folder / "index").touch()
    (folder / "number").write_text("99")
    settings = "[ca]\ndefault_ca = it\n[it]\ndatabase = index\ncrlnumber = number\ncrl_extensions = more\n"
    (folder / "ca.cnf").write_text(f"{settings}[more]\nauthorityKeyIdentifier = keyid\n")
    command = ["openssl", "ca", "-gencrl", "-config", "ca.cnf", "-md", "sha1", "-crldays", "30"]
    command += ["-cert", str(files["certificate"]), "-keyfile", str(files["key"])]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def lists(house: House, other: House, folder: Path) -> dict[str, bytes]:
    """Lists that are not to be believed, by the reason; each would revoke nobody."""
    issuer = house.issuing.issuer
    good = crl(issuer, number=50)
    return {
        "wrong-issuer": crl(other.issuing.issuer, number=50),
        "older-number": crl(issuer, number=1),
        "bad-signature": good[:-4] + b"oops",
        "not-yet-valid": crl(issuer, number=50, now=NOW + timedelta(days=1)),
        "weak-signature": by_sha1(house, folder),
        "not-a-crl": good[:-1],
        "too-large": b"-----BEGIN X509 CRL-----\n".ljust(HUGE, b"A"),
    }


@pytest.fixture
def listed(tmp_path: Path, house: House) -> Iterator[Mirror]:
    """A mirror of its own, whose lists a test may change."""
    made = Mirror(tmp_path, house)
    made.publish()
    made.revoke()  # number 2
    with made.running('[operator]\nlisten = "127.0.0.1:0"'):
        yield made


def test_a_list_that_is_not_to_be_believed_changes_nothing(
    listed: Mirror, house: House, other_house: House, tmp_path: Path
) -> None:
    """Pushed or as a file: who was revoked stays so, and who was not is served."""
    party, acme = listed.party(), listed.caller(listed.party())
    operator = operator_of(listed, operator_party(house))
    held = operator.push(crl(house.issuing.issuer, party, number=7))
    assert held.number == 7
    for reason, raw in lists(house, other_house, tmp_path).items():
        assert refused(lambda: operator.push(raw)) == reason  # noqa: B023
        assert listed.audited(route="operator", reason=reason, name="issuing-host")
        assert operator.lists().lists == (held,)
        part = listed.folder / "issuing.part"
        part.write_bytes(raw)
        part.rename(listed.folder / "issuing.crl")
        listed.until(lambda: reason in {line["reason"] for line in logged(listed, REFUSED)})  # noqa: B023
        assert operator.lists().lists == (held,), reason
        assert listed.caller(party).reason("/licences") == (403, "revoked")
        assert acme("/licences")[0] == 200
