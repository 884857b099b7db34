"""One release as a whole: what the catalogue says of it, what its manifest says, and whether its bytes are there."""

from datetime import datetime
from enum import Enum

import msgspec

from mirror import catalogue
from mirror.blobs import Blobs
from mirror.catalogue import Chain
from mirror.errors import BlobFault, PublishError
from mirror.place import Place
from mirror.publishing import stored
from spot_client.wire import names
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release
from spot_client.wire.manifest import Manifest


class Health(Enum):
    """What is there of a release's bytes."""

    WHOLE = "whole"
    DAMAGED = "damaged"
    MISSING = "missing"


class Signed(msgspec.Struct, frozen=True):
    """Who vouches for a release: the product's role, its version on offer, when it lapses (UTC), how many sign."""

    role: str
    version: int
    expires: datetime
    threshold: int
    keys: int


class Examined(msgspec.Struct, frozen=True):
    """A release; `manifest` is None where it cannot be read."""

    product: str
    component: str
    release: Release
    signed: Signed
    health: Health
    manifest: Manifest | None


def examine(place: Place, component: str, version: str, platform: str | None) -> Examined:
    """All about a release, its bytes read and held to what was signed; `platform` may be left out if there is one.

    Raises:
        PublishError: reason `no-release`, `withdrawn` or `which-platform`.
        CatalogueFault, BadName: as they say.
    """
    product, name = names.split_component(component)
    known = catalogue.load(place.catalogue)
    offered = known.indexes.get((product, name)) or Index(product=product, component=name)
    release = _find(offered, version, platform)
    key = f"releases/{product}/{name}/{release.version}/{release.platform}"
    health, entries = _read(place.blobs, key, release)
    return Examined(product, name, release, _signed(catalogue.read_chain(place.catalogue), product), health, entries)


def _find(offered: Index, version: str, platform: str | None) -> Release:
    found = [line for line in offered.releases if line.version == version and platform in {None, line.platform}]
    if len(found) == 1:
        return found[0]
    name = f"{offered.product}/{offered.component}"
    if found:
        platforms = ", ".join(line.platform for line in found)
        raise PublishError("which-platform", f"{name} {version} is published for {platforms}: name one by --platform.")
    for gone in offered.tombstones:
        if gone.version == version and platform in {None, gone.platform}:
            raise PublishError("withdrawn", f"{name} {version} was withdrawn at {gone.withdrawn}: {gone.reason}")
    wanted = f"{name} {version}" + (f" ({platform})" if platform else "")
    raise PublishError("no-release", f"{wanted} is not published: 'spot-mirror releases {name}' lists what is.")


def _read(blobs: Blobs, key: str, release: Release) -> tuple[Health, Manifest | None]:
    entries = None
    try:
        entries = stored.read_manifest(blobs, key, release)
        stored.check_pack(blobs, key, entries)
    except BlobFault as error:
        return Health.MISSING if error.reason == "missing" else Health.DAMAGED, entries
    except WireError:
        return Health.DAMAGED, entries
    return Health.WHOLE, entries


def _signed(chain: Chain, product: str) -> Signed:
    role = chain.products[product]
    delegations = chain.targets.delegations
    roles = (delegations.roles or {}) if delegations else {}
    line = roles[product]
    return Signed(product, role.version, role.expires, line.threshold, len(line.keyids))
