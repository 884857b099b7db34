"""What the house demands of root and of delegations beyond TUF, which leaves it open. Pure.

    one-key-twice     one key under two ids counts twice towards a threshold: then one person is two
    bad-threshold     a threshold below 1, or above the number of keys, which nobody can ever meet
    bad-role-name     a role is called `[a-z0-9][a-z0-9-]{0,62}`, so that no two are alike where case does not count:
                      its name is that of a file here, and of a product
    extraneous-role   targets delegates; what it delegates to, P, may do so to `P.deltas` only
    bad-role-kind     a role is delegated by the paths it may sign for, all of them below its own name (`P/...`)

They are held to the bytes as they came, by readers of our own: before python-tuf reads, uses or keeps them, and so
that a reason does not depend on what it happens to refuse, too. So the reason may be told of bytes that nobody signed:
they are refused either way.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from ca.identity import ID_PATTERN
from spot_client.errors import NotTrusted

Rules = Callable[[str, bytes], None]
"""Role and metadata file; raises `NotTrusted`. `house_rules` is the one there is."""

_TOP: Final = frozenset({"root", "targets", "snapshot", "timestamp"})


class _Value(msgspec.Struct, frozen=True):
    public: str


class _Key(msgspec.Struct, frozen=True):
    keyval: _Value


class _Role(msgspec.Struct, frozen=True):
    keyids: tuple[str, ...]
    threshold: int


class _Delegated(_Role, frozen=True):
    name: str
    paths: tuple[str, ...] | None = None
    path_hash_prefixes: Any = None


class _Delegations(msgspec.Struct, frozen=True):
    keys: dict[str, _Key]
    roles: tuple[_Delegated, ...]
    succinct_roles: Any = None


class _Root(msgspec.Struct, frozen=True):
    keys: dict[str, _Key]
    roles: dict[str, _Role]


class _Targets(msgspec.Struct, frozen=True):
    delegations: _Delegations | None = None


class _RootFile(msgspec.Struct, frozen=True):
    signed: _Root


class _TargetsFile(msgspec.Struct, frozen=True):
    signed: _Targets


def house_rules(role: str, raw: bytes) -> None:
    """Hold the metadata file of a role to the rules.

    Raises:
        NotTrusted: reason `one-key-twice`, `bad-threshold`, `bad-role-name`, `extraneous-role` or `bad-role-kind`; or
            `bad-metadata`: it is not in the form of its role.
    """
    if role in {"snapshot", "timestamp"}:
        return
    try:
        if role == "root":
            root = msgspec.json.decode(raw, type=_RootFile).signed
            _check_keys(role, root.keys)
            _check_thresholds(root.roles.items())
            return
        delegations = msgspec.json.decode(raw, type=_TargetsFile).signed.delegations
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotTrusted(
            "bad-metadata",
            f"The mirror's catalogue is not what your vendor signed: the file of the role {role} is not in its form "
            f"({error}). Nothing was installed.",
        ) from error
    if delegations is None:
        return
    _check_names(role, delegations)
    _check_keys(role, delegations.keys)
    _check_thresholds((one.name, one) for one in delegations.roles)
    for one in delegations.roles:
        _check_kind(role, one)


def _check_keys(role: str, keys: Mapping[str, _Key]) -> None:
    if len({_canonical(key.keyval.public) for key in keys.values()}) != len(keys):
        raise _distrust("one-key-twice", f"the role {role} names one key twice")


def _canonical(public: str) -> bytes:
    """A public key in its one spelling: hexadecimal digits and PEM can be written in many."""
    try:
        return bytes.fromhex(public)
    except ValueError:
        pass
    try:
        return load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):  # no key that anybody could sign with
        return public.encode()


def _check_thresholds(roles: Iterable[tuple[str, _Role]]) -> None:
    for name, role in roles:
        if not 1 <= role.threshold <= len(set(role.keyids)):
            said = f"the role {_named(name)} asks for fewer than 1 of its keys, or for more than it has"
            raise _distrust("bad-threshold", said)


def _check_names(role: str, delegations: _Delegations) -> None:
    names = [one.name for one in delegations.roles]
    if role != "targets" and set(names) - {f"{role}.deltas"}:
        raise _distrust("extraneous-role", f"the role {role} hands on what it may not")
    for name in names:
        if not ID_PATTERN.fullmatch(name.removesuffix(".deltas") if role != "targets" else name) or name in _TOP:
            raise _distrust("bad-role-name", f"a role is called {_named(name)!r}")
    if len(set(names)) != len(names):
        raise _distrust("bad-role-name", "two roles have one name")
    if delegations.succinct_roles is not None:
        raise _distrust("bad-role-kind", f"the role {role} hands on to roles without names")


def _check_kind(role: str, delegated: _Delegated) -> None:
    owner = delegated.name if role == "targets" else role
    paths = delegated.paths or ()
    if delegated.path_hash_prefixes is not None or not paths or not all(path.startswith(f"{owner}/") for path in paths):
        raise _distrust("bad-role-kind", f"the role {_named(delegated.name)} may sign for more than its own paths")


def _named(role: str) -> str:
    """A role's name as it can be told: of any length until it was checked."""
    return role[:80]


def _distrust(reason: str, what: str) -> NotTrusted:
    return NotTrusted(reason, f"The mirror's catalogue is not to be trusted: {what}. Nothing was installed.")
