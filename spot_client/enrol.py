"""Enrolment: from the vendor's bundle to an installation with an id.

First the bundle's parts are held against one another (`ca.bundle.check`), then written, then the mirror is asked for an
id. The request carries a random key that is written before it is sent: whenever it is repeated, after a power cut too,
the mirror answers with the same id. A second bundle of the same customer replaces the credentials and keeps the id and
everything the catalogue has taught so far, the signed list of mirrors included: an old bundle is not to bring back a
mirror that was retired. One of another realm or customer is refused.
"""

from collections.abc import Callable
from pathlib import Path

from ca import bundle as bundles
from ca.bundle import Bundle
from ca.errors import BundleError
from spot_client import certificate, durable, mirrors
from spot_client.believe import believing
from spot_client.errors import RefusedLocally
from spot_client.fetch.transport import Transport
from spot_client.state import Identity, Pinned, Store
from spot_client.wire import document, installation
from spot_client.wire.installation import Minted
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
        bundles.check(bundle)
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
) -> Identity:
    """Give the installation its identity, and an id if it has none. The installation's lock is held.

    Args:
        request: 32 random letters and digits, used if no earlier enrolment left its own.
        force: take a bundle that is older than the credentials here.
        bundle_mirrors: pass over the signed list of mirrors that holds here, until there is another.
        connect: opens the transport of an identity whose files are written.

    Raises:
        RefusedLocally: reason `other-customer` or `older-bundle`.
        SpotError: the mirror gave no id; everything else is written, and the same call goes on from there.
    """
    known = store.identity()
    if known is not None and (known.realm, known.customer) != (bundle.realm, bundle.customer):
        raise RefusedLocally(
            "other-customer",
            f"This installation belongs to {known.customer} of {known.realm}, and the bundle to {bundle.customer} of "
            f"{bundle.realm}. Enrol it in a root of its own, with --root.",
        )
    if known is not None and not force:
        _check_not_older(store, bundle)
    identity = Identity(
        realm=bundle.realm,
        customer=bundle.customer,
        mirrors=tuple(Pinned(mirror.url, mirror.pins) for mirror in bundle.mirrors),
        request=known.request if known else request,
        installation=known.installation if known else "",
    )
    durable.write(store.credentials, f"{bundle.client_key.rstrip()}\n{bundle.client_certificate}".encode())
    if known is None or not store.root.exists():
        durable.write(store.root, bundle.catalogue_root.encode())
    if known is None:
        store.write_signed_mirrors(None)  # whoever signed it, it was under another root
    store.write_identity(identity)
    if bundle_mirrors:
        mirrors.pass_over(store)
    return identity if identity.installation else _mint(store, identity, connect(identity))


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
    store.write_identity(complete)
    return complete
