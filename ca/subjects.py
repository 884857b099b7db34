"""Whom a certificate is for, and how its name is spelled in X.509.

CAs are named by domain components (RFC 4519; a realm may be longer than the 64 characters of a common name) and the
start of their key identifier, so that a successor has another name. Leaves have a short common name, the customer's
or the server's id, which is no personal data; identity is read from the SAN alone, never from there.

Pure.
"""

import re
from ipaddress import ip_address

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

from ca.errors import IssueError
from ca.identity import Identity, check_id, check_realm, parse
from ca.profiles import Profile

_MAX_NAMES = 64  # DNS names and addresses of one server
_DNS_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)


class Authority(msgspec.Struct, frozen=True):
    """The subject of a CA certificate."""

    realm: str


class Hosts(msgspec.Struct, frozen=True):
    """The subject of a server certificate: an id for people and the ledger, DNS names, and IP addresses as text."""

    name: str
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


Subject = Authority | Hosts | Identity
"""Whom a certificate may be for."""


def subject_name(subject: Subject, profile: Profile, key: CertificatePublicKeyTypes) -> x509.Name:
    """The subject's distinguished name.

    Raises:
        IssueError: reason `wrong-subject`, if the profile is not for such a subject.
        IdentityError: a realm or id is not well-formed.
    """
    match subject, profile:
        case Authority(realm=realm), Profile(path_length=int()):
            key_id = x509.SubjectKeyIdentifier.from_public_key(key).key_identifier.hex()
            labels = reversed(check_realm(realm).split("."))
            parts = [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, label) for label in labels]
            common_name = f"SPOT {profile.name} CA {key_id[:8]}"
        case Hosts(name=name), Profile(path_length=None, role=None):
            parts, common_name = [], check_id("server name", name)
        case Identity() as identity, Profile(role=role) if role is identity.role:
            parts, common_name = [], parse(identity.uri).name
        case _:
            raise IssueError("wrong-subject", f"A {profile.name} certificate is not made for such a subject.")
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def naming(subject: Subject) -> tuple[x509.ExtensionType, bool]:
    """The extension that says who the subject is, or what it may name; and whether it is critical.

    Raises:
        IssueError: reason `no-names` or `bad-name`, for a server.
    """
    match subject:
        case Authority(realm=realm):
            return x509.NameConstraints([x509.UniformResourceIdentifier(realm)], None), True
        case Identity() as identity:
            return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity.uri)]), False
        case hosts:
            return x509.SubjectAlternativeName(_host_names(hosts)), False


def _host_names(hosts: Hosts) -> list[x509.GeneralName]:
    if not 0 < len(hosts.dns) + len(hosts.addresses) <= _MAX_NAMES:
        raise IssueError("no-names", f"A server certificate needs 1 to {_MAX_NAMES} DNS names or IP addresses.")
    names: list[x509.GeneralName] = []
    for name in hosts.dns:
        if not _DNS_NAME.fullmatch(name):
            raise IssueError("bad-name", f"{name!r} is not a DNS name: write it in lower case, without wildcard.")
        names.append(x509.DNSName(name))
    for text in hosts.addresses:
        try:
            names.append(x509.IPAddress(ip_address(text.replace("%", "/"))))  # a scope id means nothing elsewhere
        except ValueError as error:
            raise IssueError("bad-name", f"{text!r} is not an IP address.") from error
    return names
