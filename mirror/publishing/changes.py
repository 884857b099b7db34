"""Changes of the catalogue that need no source: withdrawals, halts, baselines, and the official mirrors.

All are staged and signed like a release, by the keyholders of their role.
"""

import msgspec

from mirror.errors import Conflict, PublishError
from mirror.signing.draft import Draft
from mirror.signing.means import Signing
from mirror.signing.stage import Settled
from mirror.signing.switch import changing
from spot_client.wire import baselines, halts, index, names, trust
from spot_client.wire.baselines import Baseline
from spot_client.wire.halts import Halt
from spot_client.wire.index import Index, Release, Tombstone
from spot_client.wire.trust import Trust


def withdraw(signing: Signing, component: str, version: str, platform: str | None, reason: str) -> Settled:
    """Put tombstones in place of a version of `PRODUCT/COMPONENT`, for one platform or for all: for ever.

    Raises:
        PublishError: reason `no-release` or `no-reason`.
        Conflict: reason `withdrawn`.
        SigningError, PassphraseError, Busy, CatalogueFault: as they say.
    """
    product, name = names.split_component(component)
    with changing(signing.place):
        draft = Draft(signing)
        offered = draft.index(product, name)
        gone = _find(offered, version, platform)
        moment = draft.change(product, "").at
        stones = [Tombstone(one.version, one.platform, moment, _reason(reason)) for one in gone]
        left = tuple(one for one in offered.releases if one not in gone)
        ordered = sorted(
            (*offered.tombstones, *stones), key=lambda one: (names.check_version(one.version), one.platform)
        )
        packed = index.encode(msgspec.structs.replace(offered, releases=left, tombstones=tuple(ordered)))
        draft.put(index.target_path(product, name), packed, draft.change(product, f"{component} {version}: withdrawn"))
        return draft.settle(only={product})


def halt(signing: Signing, component: str, version: str, platform: str | None, reason: str) -> Settled:
    """Stop a version of `PRODUCT/COMPONENT` for now, for one platform or for all.

    Raises:
        PublishError: reason `no-release` or `no-reason`.
        Conflict: reason `withdrawn`, or `halted`: it is already.
        SigningError, PassphraseError, Busy, CatalogueFault: as they say.
    """
    product, name = names.split_component(component)
    with changing(signing.place):
        draft = Draft(signing)
        known = draft.halts(product)
        there = {(one.component, one.version, one.platform) for one in known.halts}
        found = [
            one
            for one in _find(draft.index(product, name), version, platform)
            if (name, one.version, one.platform) not in there
        ]
        if not found:
            raise Conflict("halted", f"{component} {version} is halted already.")
        moment = draft.change(halts.ROLE, "").at
        more = [Halt(name, one.version, one.platform, moment, _reason(reason)) for one in found]
        return _put_halts(draft, product, (*known.halts, *more), f"{component} {version}: halted")


def resume(signing: Signing, component: str, version: str, platform: str | None) -> Settled:
    """Let a version that was halted go on.

    Raises:
        PublishError: reason `not-halted`.
        SigningError, PassphraseError, Busy, CatalogueFault: as they say.
    """
    product, name = names.split_component(component)
    with changing(signing.place):
        draft = Draft(signing)
        known = draft.halts(product).halts
        gone = [one for one in known if (one.component, one.version) == (name, version)]
        gone = [one for one in gone if platform in {None, one.platform}]
        if not gone:
            raise PublishError("not-halted", f"{component} {version} is not halted: 'spot-mirror halts' lists what is.")
        left = tuple(one for one in known if one not in gone)
        return _put_halts(draft, product, left, f"{component} {version}: not halted any more")


def baseline(signing: Signing, product: str, name: str, components: dict[str, str], notes: str) -> Settled:
    """Publish a set of versions of a product's components under a name; it never changes.

    Raises:
        PublishError: reason `no-release`: a component has no such version on offer.
        Conflict: reason `other-content`: there is another baseline of that name.
        BadName, FormatError, SigningError, PassphraseError, Busy, CatalogueFault: as they say.
    """
    names.check_product(product)
    with changing(signing.place):
        draft = Draft(signing)
        known = draft.baselines(product)
        if any(one.name.lower() == name.lower() for one in known.baselines):
            raise Conflict("other-content", f"{product} has a baseline {name}: one never changes, so name another.")
        for component, version in components.items():
            _find(draft.index(product, names.check_id("component", component)), version, None)
        change = draft.change(product, f"{product} {name}: new baseline")
        made = Baseline(name, components, change.at, notes)
        packed = baselines.encode(msgspec.structs.replace(known, baselines=(*known.baselines, made)))
        baselines.decode(packed)
        draft.put(baselines.target_path(product), packed, change)
        return draft.settle(only={product})


def mirrors(signing: Signing, wanted: Trust) -> Settled:
    """Make `wanted` the official mirrors and their pins.

    Raises:
        Conflict: reason `other-content`: nothing would change.
        FormatError, SigningError, PassphraseError, Busy, CatalogueFault: as they say.
    """
    raw = trust.encode(wanted)
    with changing(signing.place):
        draft = Draft(signing)
        if draft.trust() == wanted:
            raise Conflict("other-content", "These are the official mirrors and pins already: nothing to sign.")
        draft.put(trust.PATH, raw, draft.change(trust.ROLE, "the official mirrors and their pins"))
        return draft.settle(only={trust.ROLE})


def _put_halts(draft: Draft, product: str, lines: tuple[Halt, ...], what: str) -> Settled:
    ordered = sorted(lines, key=lambda one: (one.component, names.check_version(one.version), one.platform))
    packed = halts.encode(halts.Halts(product=product, halts=tuple(ordered)))
    draft.put(halts.target_path(product), packed, draft.change(halts.ROLE, what))
    return draft.settle(only={halts.ROLE})


def _find(offered: Index, version: str, platform: str | None) -> list[Release]:
    found = [one for one in offered.releases if one.version == version and platform in {None, one.platform}]
    if found:
        return found
    name = f"{offered.product}/{offered.component}"
    if any(stone.version == version and platform in {None, stone.platform} for stone in offered.tombstones):
        raise Conflict("withdrawn", f"{name} {version} was withdrawn already.")
    raise PublishError("no-release", f"{name} {version} is not published: 'spot-mirror releases {name}' lists what is.")


def _reason(reason: str) -> str:
    if not reason.strip():
        raise PublishError("no-reason", "Say why, by --reason: customers read it.")
    return reason.strip()
