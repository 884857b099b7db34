"""The target of `spot_client.decide`: the site's own list, a file that an administrator brings."""

from functools import partial
from typing import Any, Final

import msgspec
from packaging.version import InvalidVersion, Version

from fuzz.shapes import change_json
from fuzz.target import Broken, Target, same
from spot_client.decide import site
from spot_client.decide.site import Approved, Rule
from spot_client.wire import document
from spot_client.wire.errors import BadName, FormatError
from spot_client.wire.sealed import Seal

_HEAD: Final = "ab" * 32
_WORDS: Final = (b'"format":1,', b'"format":2,', b'"version":0,', b"NaN", b"1e999", b'"\\ud800"', b"1" * 5000)


class _Named(msgspec.Struct, frozen=True):
    """A release as `Rule` is asked of it."""

    version: str
    platform: str
    manifest: Seal


def targets() -> tuple[Target, ...]:
    """All of them."""
    lines = [Approved("sdk/tool", version, "any", _HEAD) for version in ("1.0", "1.1rc1", "2!1.0")]
    plain = site.make(3, [*lines, Approved("art/paint", "1.0", "linux-x86_64", "0" * 64)])
    signed = msgspec.structs.replace(plain, signature="cd" * 64)
    twice = msgspec.structs.replace(plain, approved=(*lines, *lines[-1:]))
    seeds = tuple(document.encode(one) for one in (plain, signed, site.make(1, ()), twice))
    change = partial(change_json, words=_WORDS, tidy=_tidy)
    return (Target(name="site-list", seeds=seeds, read=_read, refusals=(FormatError, BadName), change=change),)


def _read(raw: bytes) -> bool:
    listed = site.decode(raw)
    unsigned = msgspec.structs.replace(listed, signature=None)
    same("bytes that are signed", site.signed_bytes(listed), site.signed_bytes(unsigned))
    rule = Rule(listed)
    for one in listed.approved:
        if rule.objection(one.component, _Named(one.version, one.platform, Seal(one.manifest, 1))) is not None:
            raise Broken(f"{one} is on the list and may not come into use")
    return same("site's list", document.encode(listed), raw)


def _tidy(value: Any) -> None:
    try:
        value["approved"].sort(key=lambda one: (one["component"], Version(one["version"]), one["platform"]))
    except (AttributeError, InvalidVersion, KeyError, TypeError):
        return  # too much has changed to be put in order
