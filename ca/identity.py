"""Identity ⇄ the one URI SAN of a certificate, in SPIFFE form.

    spiffe://REALM/client/CUSTOMER                  an installation package of a customer
    spiffe://REALM/client/CUSTOMER/INSTALLATION     a single installation
    spiffe://REALM/enrol/CUSTOMER                   an installation package that can do nothing but enrol
    spiffe://REALM/mirror/NAME                      an official mirror, as a client of another
    spiffe://REALM/support/USER                     support staff
    spiffe://REALM/ca-operator/NAME                 the issuing host, as a client of the operator listener

The form is that of the SPIFFE-ID standard (§2): scheme `spiffe`, no user, port, query or fragment, no percent
encoding, no empty or dot segments; narrowed to our roles and our ids. What is *not* decided here: whether a
certificate may be trusted at all (`ca.tls` in the handshake), or what its bearer may do (`mirror.content.policy`).

Pure: strings and parsed certificates in, values out. `cryptography` is imported only to be named in types.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from ca.errors import IdentityError

ID_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
"""What customers, installations, products, components, mirrors and users may be called."""

_REALM_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_MAX_URI = 512  # characters; the longest identity our rules allow is well below
_MAX_REALM = 200  # characters


class Role(Enum):
    """What kind of party a certificate names; the first segment of the path."""

    CLIENT = "client"
    ENROL = "enrol"
    MIRROR = "mirror"
    SUPPORT = "support"
    CA_OPERATOR = "ca-operator"


class Identity(msgspec.Struct, frozen=True, order=True):
    """Who a certificate names. `name` is the customer for client and enrol; only a client has an `installation`."""

    realm: str
    role: Role
    name: str
    installation: str | None = None

    @property
    def uri(self) -> str:
        """The URI SAN of this identity."""
        tail = "" if self.installation is None else f"/{self.installation}"
        return f"spiffe://{self.realm}/{self.role.value}/{self.name}{tail}"


def check_realm(realm: str) -> str:
    """Return `realm` if it is a lower-case DNS name with at least two labels.

    Raises:
        IdentityError: reason `bad-realm`.
    """
    labels = realm.split(".")
    if len(realm) > _MAX_REALM or len(labels) < 2 or not all(_REALM_LABEL.fullmatch(label) for label in labels):
        raise IdentityError(
            "bad-realm", f"{realm!r} is not a realm: use a lower-case DNS name such as build.example.com."
        )
    return realm


def check_id(what: str, value: str) -> str:
    """Return `value` if it is a valid id (`[a-z0-9][a-z0-9-]{0,62}`); `what` names it in the error.

    Raises:
        IdentityError: reason `bad-id`.
    """
    if not ID_PATTERN.fullmatch(value):
        raise IdentityError(
            "bad-id",
            f"{value!r} is not a valid {what}: use lower-case letters, digits and hyphens, 63 characters at most.",
        )
    return value


def make(realm: str, role: Role, name: str, installation: str | None = None) -> Identity:
    """Build a checked identity.

    Raises:
        IdentityError: reason `bad-realm` or `bad-id`, or `bad-path` for an installation of anything but a client.
    """
    check_realm(realm)
    check_id("customer" if role in (Role.CLIENT, Role.ENROL) else "name", name)
    if installation is not None:
        if role is not Role.CLIENT:
            raise IdentityError("bad-path", f"Only clients have installations, not a {role.value}.")
        check_id("installation", installation)
    return Identity(realm, role, name, installation)


def parse(uri: str) -> Identity:
    """Read an identity from a URI SAN; exactly inverse to `Identity.uri`.

    Raises:
        IdentityError: reason `bad-uri` (form), `bad-realm`, `bad-role`, `bad-path` (segments) or `bad-id`.
    """
    prefix = "spiffe://"
    if len(uri) > _MAX_URI or not uri.startswith(prefix):
        raise IdentityError("bad-uri", f"{uri[:80]!r} is not a spiffe:// identity.")
    realm, *segments = uri[len(prefix) :].split("/")
    check_realm(realm)
    if len(segments) not in (2, 3):
        raise IdentityError("bad-path", f"{uri!r} has {len(segments)} path segments, not two or three.")
    try:
        role = Role(segments[0])
    except ValueError as error:
        raise IdentityError("bad-role", f"{segments[0]!r} is not a role that our certificates carry.") from error
    return make(realm, role, *segments[1:])
