"""Enrolment: from the vendor's bundle to an installation with an id.

First the bundle's parts are held against one another (`ca.bundle.check`), then written, then the mirror is asked for an
id. The request carries a random key that is written before it is sent: whenever it is repeated, after a power cut too,
the mirror answers with the same id, unless it was restored and does not know it any more. A second bundle of the same
customer replaces the credentials and keeps everything the catalogue has taught so far, the signed list of mirrors
included: an old bundle is not to bring back a mirror that was retired. One of another realm or customer is refused.

So is a bundle whose root of trust is not of the chain that was followed here, unless a person says that it is to be
believed in place of the old one (`new_root`): after a theft of two root keys nothing that the old one leads to can be.

An installation that has a certificate of its own keeps it, as long as the mirrors take it: a newer bundle then brings
mirrors and pins alone, and an older one nothing. Who wants the bundle's all the same says so (`force`). With it the
installation gets another id, because the mirror takes nothing but its own certificate for the one it had.
"""

from collections.abc import Callable
from pathlib import Path

import msgspec

from ca import bundle as bundles
from ca.bundle import Bundle
from ca.errors import BundleError
from spot_client import certificate, durable, mirrors, pending
from spot_client import new_root as beginnings
from spot_client.believe import believing
from spot_client.errors import NotReachable, NotTrusted, Refused, RefusedLocally
from spot_client.fetch import kept, proof
from spot_client.fetch.descent import Descent, descent, is_root
from spot_client.fetch.failover import Mirrors
from spot_client.fetch.transport import Transport
from spot_client.state import Identity, Pinned, Store
from spot_client.wire import document, installation
from spot_client.wire.errors import FormatError
from spot_client.wire.installation import Minted
from spot_client.wire.problem import Reason
from spot_client.wire.routes import Kind, Route


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check that its parts belong together.

    Raises:
        RefusedLocally: reason `missing-file`, `bad-bundle`, `bundle-mismatch` or `too-new`.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(bundles.MAX_BUNDLE + 1)
    except OSError as error:
        raise RefusedLocally("missing-file", f"The bundle {path} cannot be read: {error.strerror}.") from error
    try:
        bundle = bundles.decode(raw)
        document.check_spot(bundle.min_spot, str(path))
        bundles.check(bundle)
    except FormatError as error:
        raise RefusedLocally("too-new" if error.reason == "too-new" else "bad-bundle", str(error)) from error
    except BundleError as error:
        if error.reason == "bad-bundle":  # what the parser met in there helps nobody
            raise RefusedLocally(
                error.reason,
                f"{path} is not a bundle, or not a whole one: copy it again, or get a new one from your vendor.",
            ) from error
        raise RefusedLocally(error.reason, f"{path} cannot be used. {error}") from error
    return bundle


def enrol(
    store: Store,
    bundle: Bundle,
    *,
    request: str,
    connect: Callable[[Identity], Transport],
    force: bool = False,
    bundle_mirrors: bool = False,
    new_root: bool = False,
    warn: Callable[[str], None] = lambda _: None,
) -> Identity:
    """Give the installation its identity, and an id if it has none. The installation's lock is held.

    Args:
        request: 32 random letters and digits, used if no earlier enrolment left its own.
        force: take a bundle that is older than the credentials here.
        bundle_mirrors: pass over the signed list of mirrors that holds here, until there is another.
        new_root: believe the bundle's root of trust, if it is of another chain, in place of the one here.
        connect: opens the transport of an identity whose files are written.
        warn: takes one sentence for people.

    Raises:
        RefusedLocally: reason `other-customer`, `older-bundle`, `other-root`, `older-root`, or `bad-bundle`: its root
            is none.
        SpotError: the mirror gave no id; everything else is written, and the same call goes on from there.
    """
    known = store.identity()
    if known is not None and (known.realm, known.customer) != (bundle.realm, bundle.customer):
        raise RefusedLocally(
            "other-customer",
            f"This installation belongs to {known.customer} of {known.realm}, and the bundle to {bundle.customer} of "
            f"{bundle.realm}. Enrol it in a root of its own, with --root.",
        )
    own = known is not None and not force and _own_holds(store, known, connect)
    if known is not None and not force and not own:
        _check_not_older(store, bundle)
    _take_root(store, bundle.catalogue_root.encode(), new_root, warn)
    if known is not None and own:
        return _beside_own(store, known, bundle, bundle_mirrors=bundle_mirrors)
    spent = _is_spent(store)
    identity = _identity(bundle, None if spent else known, request)
    if spent:
        store.write_identity(identity)  # first: other credentials are never to be there with an id that is spent
    durable.write(store.credentials, f"{bundle.client_key.rstrip()}\n{bundle.client_certificate}".encode())
    pending.take_up(store)
    if known is None:
        store.write_signed_mirrors(None)  # whoever signed it, it was under another root
    store.write_identity(identity)
    if bundle_mirrors:
        mirrors.pass_over(store)
    return _with_id(store, identity, connect, warn)


def _own_holds(store: Store, known: Identity, connect: Callable[[Identity], Transport]) -> bool:
    """Whether there is a certificate of this installation alone, and not all mirrors say no to it."""
    held = certificate.held(store.credentials)
    if held is None or held.kind is not certificate.Kind.OWN or not known.installation:
        return False
    try:
        Mirrors(connect(known), lambda _: None).ask(proof.show)
    except (NotReachable, NotTrusted):
        return True
    except Refused:
        return False
    return True


def _identity(bundle: Bundle, known: Identity | None, request: str) -> Identity:
    """That of the bundle, going on with the id of the one that was known."""
    return Identity(
        realm=bundle.realm,
        customer=bundle.customer,
        mirrors=_mirrors(bundle),
        request=known.request if known else request,
        installation=known.installation if known else "",
    )


def _is_spent(store: Store) -> bool:
    """Whether the id here has a certificate of its own that is not to be used any more, or is lost.

    The mirror takes no other one for it, so the installation gets another id.
    """
    held, waiting = certificate.held(store.credentials), pending.read(store)
    if held is not None and held.kind is certificate.Kind.OWN:
        return True
    return waiting is not None and waiting.reason == Reason.OWN_CERTIFICATE.value


def _beside_own(store: Store, known: Identity, bundle: Bundle, *, bundle_mirrors: bool) -> Identity:
    ours, theirs = certificate.read(store.credentials), certificate.validity(bundle.client_certificate.encode())
    if bundle_mirrors or (ours and theirs and theirs.begin >= ours.begin):
        known = msgspec.structs.replace(known, mirrors=_mirrors(bundle))
        store.write_identity(known)
    if bundle_mirrors:
        mirrors.pass_over(store)
    return known


def _mirrors(bundle: Bundle) -> tuple[Pinned, ...]:
    return tuple(Pinned(mirror.url, mirror.pins) for mirror in bundle.mirrors)


def _take_root(store: Store, offered: bytes, new_root: bool, warn: Callable[[str], None]) -> None:
    """See to it that the root of trust here is one that the offered one belongs to."""
    if not is_root(offered):
        raise RefusedLocally("bad-bundle", "The root of trust in this bundle is none: get a new one from your vendor.")
    begun = store.identity() is not None and store.root.exists()
    known = [raw for folder in store.catalogues for raw in kept.roots(folder)]
    known += [store.root.read_bytes()] if begun else []
    found = descent(known, offered) if known else Descent.SAME
    if found is Descent.OLDER and new_root:
        raise RefusedLocally(
            "older-root",
            "The root of trust in this bundle is older than the one here: it would bring keys back that were replaced "
            "since. Ask your vendor for a new bundle.",
        )
    if found is not Descent.SAME and new_root:
        beginnings.begin_again(store.paths.own, offered)
    elif found is Descent.OTHER:
        raise RefusedLocally(
            "other-root",
            "The root of trust in this bundle does not follow from the one here. If your vendor tells you that the old "
            "one is not to be believed any more, add --new-root: what was learnt under it, withdrawals too, is "
            "forgotten. If nobody tells you so, the bundle is not your vendor's.",
        )
    elif not begun:
        durable.write(store.root, offered)
    elif found in {Descent.UNKNOWN, Descent.OLDER}:
        warn(
            "Whether the root of trust in this bundle follows from the one here cannot be told yet, and the one here "
            "stays: run 'spot check'. If that fails, ask your vendor whether --new-root is needed."
        )


def _with_id(
    store: Store, identity: Identity, connect: Callable[[Identity], Transport], warn: Callable[[str], None]
) -> Identity:
    """Ask for the id in any case: a mirror that was restored may not know the one here, and gives another."""
    unnamed = msgspec.structs.replace(identity, installation="")
    try:
        return Mirrors(connect(unnamed), warn).ask(lambda transport: _mint(store, unnamed, transport))
    except (NotReachable, Refused) as error:
        if not identity.installation:
            raise
        warn(f"The installation keeps its id, and the mirror may not know it: enrol once more later. {error}")
        return identity


def _check_not_older(store: Store, bundle: Bundle) -> None:
    ours, theirs = certificate.read(store.credentials), certificate.validity(bundle.client_certificate.encode())
    if ours and theirs and theirs.begin < ours.begin:
        raise RefusedLocally(
            "older-bundle",
            f"The certificate of this bundle is of {theirs.begin:%Y-%m-%d %H:%M} UTC, that of this installation of "
            f"{ours.begin:%Y-%m-%d %H:%M} UTC. Take the newest bundle; --force takes this one all the same.",
        )


def _mint(store: Store, identity: Identity, transport: Transport) -> Identity:
    path = Route(kind=Kind.INSTALLATIONS).path
    answer = transport.post(path, headers={"Idempotency-Key": identity.request}, max_bytes=installation.MAX_BYTES)
    with believing():
        minted = document.decode(answer.body, Minted, max_bytes=installation.MAX_BYTES, what="The mirror's answer")
    complete = Identity(
        realm=identity.realm,
        customer=identity.customer,
        mirrors=identity.mirrors,
        request=identity.request,
        installation=minted.installation,
    )
    state = store.state()
    if state.versions and not state.owed:  # a mirror that gave another id, or was restored, does not have the newest
        store.write_state(msgspec.structs.replace(state, owed=True))
    store.write_identity(complete)
    return complete
