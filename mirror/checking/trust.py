"""What ops brought here from the CA: the server's certificate and key, the issuing CAs, their revocation lists."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509

from ca.errors import CaError
from ca.finding import Finding, good
from ca.revocation import Revocations
from ca.tls import read_credentials
from mirror import expiry
from mirror.certificates import PUSHED, pushed_list, read_certificate, read_issuer, read_list
from mirror.checking.findings import judge_lapses
from mirror.checking.noted import Noted
from mirror.config import Config, Content
from mirror.errors import MirrorError
from mirror.expiry import Lapse
from mirror.tls import listener_context


def look(config: Config, content: Content, now: datetime, noted: Noted) -> list[Finding]:
    """All findings about them; notes when they begin and end."""
    found: list[Finding] = []
    issuers = [issuer for path in content.issuing_cas if (issuer := _issuer(Path(path), config.realm, found))]
    lists = [crl for path in content.crls if (crl := _list(Path(path), issuers, now, found))]
    leaf = _server(content, issuers, found)
    lists = _in_force(lists, config, issuers, now, found)
    found += _without_list(issuers, lists)
    lapses = [*_lapses(leaf, issuers, lists, timedelta(days=content.crl_grace_days)), *_operator(config, found)]
    noted.lapses.extend(lapses)
    found += judge_lapses(lapses, now)
    if leaf is not None:
        found += _addresses(leaf, content.listen)
    noted.moments.extend(("A revocation list", crl.this_update) for crl in lists)
    noted.moments.extend(("The certificate of an issuing CA", issuer.not_valid_before_utc) for issuer in issuers)
    if leaf is not None:
        noted.moments.append(("The server's certificate", leaf.not_valid_before_utc))
    return found


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


def _in_force(
    lists: Iterable[Revocations],
    config: Config,
    issuers: Iterable[x509.Certificate],
    now: datetime,
    found: list[Finding],
) -> list[Revocations]:
    """Of each issuing CA the newest list: the one that was brought as a file, or the one that was pushed."""
    there = [*lists]
    for issuer in issuers:
        path = pushed_list(config.data_dir / PUSHED, issuer)
        try:
            there += [read_list(path, [issuer], now)] if path.exists() else []
        except CaError as error:
            step = "Remove that file, and push the list again: 'spot-ca push'."
            found.append(Finding("warning", error.reason, str(error), step))
    return [*{crl.issuer_key: crl for crl in sorted(there, key=lambda crl: crl.number)}.values()]


def _operator(config: Config, found: list[Finding]) -> Iterator[Lapse]:
    """Of the operator listener, if it serves with a certificate of its own."""
    if config.operator is None or config.operator.certificate is None:
        return
    try:
        leaf = read_certificate(Path(config.operator.certificate))
    except CaError as error:
        found.append(Finding("problem", error.reason, str(error), "Issue one with 'spot-ca issue server'."))
        return
    yield expiry.of_operator(leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _server(content: Content, issuers: Sequence[x509.Certificate], found: list[Finding]) -> x509.Certificate | None:
    """What `serve` would do with them."""
    certificate, key = Path(content.certificate), Path(content.key)
    try:
        credentials = read_credentials(certificate, key)
        listener_context(credentials, issuers, content.min_tls)
    except CaError as error:
        if error.reason != "no-issuing-ca":  # each of them was told of already
            found.append(Finding("problem", error.reason, str(error), "Issue one with 'spot-ca issue server'."))
        return None
    found.append(good(f"{certificate} is a server's certificate, and {key} is its key."))
    return credentials.chain[0]


def _without_list(issuers: Iterable[x509.Certificate], lists: Iterable[Revocations]) -> Iterator[Finding]:
    known = {crl.issuer_key for crl in lists}
    for issuer in issuers:
        if _key(issuer) not in known:
            what = f"There is no CRL of {issuer.subject.rfc4514_string()} among content.crls: nobody would be served."
            yield Finding("problem", "no-crl", what, "Name its list in the configuration.")


def _lapses(
    leaf: x509.Certificate | None,
    issuers: Iterable[x509.Certificate],
    lists: Iterable[Revocations],
    grace: timedelta,
) -> Iterator[Lapse]:
    if leaf is not None:
        yield expiry.of_server(leaf.not_valid_before_utc, leaf.not_valid_after_utc)
    for issuer in issuers:
        yield expiry.of_issuer(_key(issuer), issuer.not_valid_before_utc, issuer.not_valid_after_utc)
    for crl in lists:
        yield expiry.of_list(crl.issuer_key, crl.this_update, crl.next_update, grace)


def _key(issuer: x509.Certificate) -> bytes:
    """The key identifier of an issuing CA; empty where its certificate names none."""
    named = [one.value for one in issuer.extensions if isinstance(one.value, x509.SubjectKeyIdentifier)]
    return named[0].key_identifier if named else b""


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
