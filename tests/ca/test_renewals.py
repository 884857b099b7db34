"""Requests that wait at a mirror are settled by the ledger: signed once, denied by name, or left for a person."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ca.calls import WaitingRequest
from ca.errors import VaultError
from ca.identity import Identity, Role, make
from ca.issue import Issuer
from ca.profiles import CLIENT, ENROL
from ca.renewals import Outcome, Rules, settle
from ca.request import read_request
from ca.vault import Vault, open_vault
from tests.ca.house import NOW, REALM, House, der_of
from tests.ca.spot_ca import PASSPHRASE, Spot

ONE, TWO = (make(REALM, Role.CLIENT, "acme", name) for name in ("one", "two"))
ACME, GLOBEX = (make(REALM, Role.CLIENT, name) for name in ("acme", "globex"))
RULES = Rules(NOW, timedelta(days=30))


@pytest.fixture
def vault(spot: Spot) -> Iterator[Vault]:
    with open_vault(spot.folder) as opened:
        yield opened


@pytest.fixture
def signer(vault: Vault) -> Issuer:
    return vault.unlock("issuing", PASSPHRASE)


def issued(vault: Vault, signer: Issuer, identity: Identity, uses: int | None = None) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    profile = CLIENT if uses is None else ENROL
    return der_of(vault.issue(identity, key.public_key(), profile, signer, NOW, uses=uses))


def asks(identity: Identity, requester: bytes, number: int = 1) -> WaitingRequest:
    name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)])
    builder = x509.CertificateSigningRequestBuilder(x509.Name([])).add_extension(name, critical=False)
    der = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
    return WaitingRequest(number, read_request(der).digest, "2026-01-01T00:00:00Z", der, requester)


def told(outcome: Outcome) -> str | None:
    """The reason of one that is denied."""
    assert outcome.decision is not None
    assert outcome.decision.certificate is None
    return outcome.decision.denied


def test_what_is_signed_answers_the_request_and_stands_in_the_ledger_under_its_parent(
    vault: Vault, signer: Issuer
) -> None:
    package = issued(vault, signer, ACME)
    one = asks(ONE, package)
    (outcome,) = settle(vault, signer, [one], RULES)
    assert outcome.decision is not None
    assert outcome.decision.certificate is not None
    certificate = x509.load_der_x509_certificate(outcome.decision.certificate)
    assert certificate.public_key() == read_request(one.request).public_key
    entry = vault.ledger.entry(outcome.serial or "")
    assert entry is not None
    assert (entry.who, entry.request) == (ONE.uri, one.digest)
    assert entry.parent == f"{x509.load_der_x509_certificate(package).serial_number:x}"


def test_a_run_that_was_interrupted_hands_the_same_certificate_out(vault: Vault, signer: Issuer) -> None:
    one = asks(ONE, issued(vault, signer, ACME))
    (first,) = settle(vault, signer, [one], RULES)
    (again,) = settle(vault, signer, [one], RULES)
    assert (again.again, again.decision, again.serial) == (True, first.decision, first.serial)
    assert len([entry for entry in vault.ledger.entries() if entry.who == ONE.uri]) == 1


def test_each_is_decided_by_what_was_signed_before_it_in_the_same_run(vault: Vault, signer: Issuer) -> None:
    package = issued(vault, signer, make(REALM, Role.ENROL, "acme"), uses=1)
    first, second = settle(vault, signer, [asks(ONE, package), asks(TWO, package, 2)], RULES)
    assert first.serial
    assert told(second) == "uses-spent"


def test_a_dry_run_signs_and_records_nothing(vault: Vault, signer: Issuer) -> None:
    one = asks(ONE, issued(vault, signer, ACME))
    before = vault.ledger.entries()
    (outcome,) = settle(vault, None, [one], RULES)
    assert (outcome.serial, outcome.reason) == (None, None)
    assert vault.ledger.entries() == before


def test_what_is_not_allowed_is_denied_by_name(vault: Vault, signer: Issuer, house: House) -> None:
    package = issued(vault, signer, ACME)
    assert told(settle(vault, signer, [asks(GLOBEX, package)], RULES)[0]) == "other-identity"
    damaged = WaitingRequest(1, "0" * 64, "2026-01-01T00:00:00Z", b"no request", package)
    assert told(settle(vault, signer, [damaged], RULES)[0]) == "not-a-request"
    one, other = asks(ONE, package), asks(TWO, package)
    swapped = WaitingRequest(1, other.digest, one.received, one.request, package)
    assert told(settle(vault, signer, [swapped], RULES)[0]) == "bad-document"
    nobody = WaitingRequest(1, one.digest, one.received, one.request, b"no certificate")
    assert told(settle(vault, signer, [nobody], RULES)[0]) == "bad-certificate"


def test_a_stranger_and_a_clone_wait_for_a_person(vault: Vault, signer: Issuer, house: House) -> None:
    (stranger,) = settle(vault, signer, [asks(ONE, der_of(house.client.certificate))], RULES)
    assert (stranger.decision, stranger.reason) == (None, "unknown-requester")
    own = issued(vault, signer, ONE)
    settle(vault, signer, [asks(ONE, own)], RULES)
    clone = asks(ONE, own, 2)
    (held,) = settle(vault, signer, [clone], RULES)
    assert (held.decision, held.reason) == (None, "clone-suspected")
    serial = f"{x509.load_der_x509_certificate(own).serial_number:x}"
    (accepted,) = settle(vault, signer, [clone], Rules(NOW, timedelta(0), frozenset({serial})))
    assert accepted.serial


def test_a_certificate_that_was_revoked_meanwhile_is_not_handed_out(vault: Vault, signer: Issuer) -> None:
    package = issued(vault, signer, ACME)
    one = asks(ONE, package)
    (first,) = settle(vault, signer, [one], RULES)
    serial = f"{x509.load_der_x509_certificate(package).serial_number:x}"
    vault.ledger.revoke([serial, first.serial or ""], NOW, "key-compromise")
    assert told(settle(vault, signer, [one], RULES)[0]) == "revoked"


def test_a_full_disk_signs_nothing_that_is_not_recorded(
    vault: Vault, signer: Issuer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = asks(ONE, issued(vault, signer, ACME))

    def full(_entry: object) -> None:
        raise VaultError("ledger-unwritable", "The disk is full.")

    monkeypatch.setattr(vault.ledger, "add", full)
    with pytest.raises(VaultError):
        settle(vault, signer, [one], RULES)
    monkeypatch.undo()
    assert [entry for entry in vault.ledger.entries() if entry.who == ONE.uri] == []
