"""What ops brought here from the CA: the server's certificate and key, the issuing CAs, their revocation lists."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from ca.errors import CaError
from ca.finding import Finding, good
from ca.revocation import Revocations
from ca.tls import server_context
from mirror import expiry
from mirror.certificates import read_certificate, read_issuer, read_list
from mirror.checking.findings import judge_lapses
from mirror.config import Config, Content
from mirror.errors import MirrorError


def look(config: Config, content: Content, now: datetime) -> tuple[list[Finding], list[tuple[str, datetime]]]:
    """All findings about them, and the moments at which they began."""
    found: list[Finding] = []
    issuers = [issuer for path in content.issuing_cas if (issuer := _issuer(Path(path), config.realm, found))]
    lists = [crl for path in content.crls if (crl := _list(Path(path), issuers, now, found))]
    leaf = _server(content, issuers, found)
    found += _without_list(issuers, lists)
    found += judge_lapses(_lapses(leaf, issuers, lists), now)
    if leaf is not None:
        found += _addresses(leaf, content.listen)
    moments = [("A revocation list", crl.this_update) for crl in lists]
    moments += [("The certificate of an issuing CA", issuer.not_valid_before_utc) for issuer in issuers]
    moments += [("The server's certificate", leaf.not_valid_before_utc)] if leaf is not None else []
    return found, moments


def _issuer(path: Path, realm: str, found: list[Finding]) -> x509.Certificate | None:
    try:
        return read_issuer(path, realm)
    except (CaError, MirrorError) as error:
        found.append(Finding("problem", error.reason, str(error), "Bring the CA's issuing.crt here."))
        return None


def _list(path: Path, issuers: Sequence[x509.Certificate], now: datetime, found: list[Finding]) -> Revocations | None:
    try:
        crl = read_list(path, issuers, now)
    except CaError as error:
        found.append(Finding("problem", error.reason, str(error), expiry.NEW_LIST))
        return None
    found.append(good(f"{path} is a revocation list of ours, number {crl.number}, with {len(crl.serials)} entries."))
    return crl


def _server(content: Content, issuers: Sequence[x509.Certificate], found: list[Finding]) -> x509.Certificate | None:
    """What `serve` would do with them."""
    certificate, key = Path(content.certificate), Path(content.key)
    try:
        leaf = read_certificate(certificate)
        server_context(certificate=certificate, key=key, issuing_cas=issuers, min_tls=content.min_tls)
    except CaError as error:
        if error.reason != "no-issuing-ca":  # each of them was told of already
            found.append(Finding("problem", error.reason, str(error), "Issue one with 'spot-ca issue server'."))
        return None
    found.append(good(f"{certificate} is a server's certificate, and {key} is its key."))
    return leaf


def _without_list(issuers: Iterable[x509.Certificate], lists: Iterable[Revocations]) -> Iterator[Finding]:
    known = {crl.issuer_key for crl in lists}
    for issuer in issuers:
        named = [one.value for one in issuer.extensions if isinstance(one.value, x509.SubjectKeyIdentifier)]
        if known.isdisjoint(one.key_identifier for one in named):
            what = f"There is no CRL of {issuer.subject.rfc4514_string()} among content.crls: nobody would be served."
            yield Finding("problem", "no-crl", what, "Name its list in the configuration.")


def _lapses(
    leaf: x509.Certificate | None, issuers: Iterable[x509.Certificate], lists: Iterable[Revocations]
) -> Iterator[expiry.Lapse]:
    if leaf is not None:
        yield _of_certificate("The server's certificate", leaf, expiry.NEW_CERTIFICATE)
    for issuer in issuers:
        yield _of_certificate("An issuing CA's certificate", issuer, expiry.NEW_ISSUER)
    for crl in lists:
        yield expiry.of_period("A revocation list", crl.this_update, crl.next_update, expiry.NEW_LIST)


def _of_certificate(what: str, certificate: x509.Certificate, step: str) -> expiry.Lapse:
    return expiry.of_period(what, certificate.not_valid_before_utc, certificate.not_valid_after_utc, step)


def _addresses(leaf: x509.Certificate, listen: Iterable[str]) -> Iterator[Finding]:
    """SPOT checks the name that it calls: a certificate that lacks the address listened on may still carry others."""
    named = [one.value for one in leaf.extensions if isinstance(one.value, x509.SubjectAlternativeName)]
    known = {str(name.value) for names in named for name in names}
    for address in listen:
        host = address.rpartition(":")[0].strip("[]")
        if not _is_any(host) and host not in known:
            others = ", ".join(sorted(known)) or "no name"
            what = f"The mirror listens on {host}, and the server's certificate is for {others}."
            yield Finding("advice", "other-name", what, "Check that clients call the mirror by a name it is for.")


def _is_any(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False
