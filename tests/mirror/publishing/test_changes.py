"""Changes that need no source: withdrawals, halts, baselines, and the official mirrors; each signed by its role."""

from pathlib import Path

import msgspec
import pytest
import trustme

from mirror.errors import MirrorError
from mirror.publishing import approve, changes, publish
from mirror.publishing.order import State
from mirror.signing import holders
from mirror.signing.draft import Draft
from mirror.signing.means import Signing
from mirror.signing.stage import Settled
from mirror.signing.switch import changing
from spot_client.wire import baselines, halts, index, trust
from spot_client.wire.errors import WireError
from spot_client.wire.halts import Halt
from spot_client.wire.index import Index
from spot_client.wire.trust import OfficialMirror, Trust
from tests.mirror.publishing import rig
from tests.mirror.publishing.rig import Mirror
from tests.mirror.signing.ceremony import House, new_house

TOOL = index.target_path("sdk", "tool")


def seen(house: House) -> Index:
    raw = house.target(TOOL)
    assert raw is not None
    return index.decode(raw)


def halted(house: House) -> list[Halt]:
    raw = house.target(halts.target_path("sdk"))
    return [*halts.decode(raw).halts] if raw is not None else []


def missing(settled: Settled) -> dict[str, int]:
    return {line.role: line.missing for line in settled.waits}


def refused(house: House, call: object) -> str:
    """Why; and nothing waits that did not before."""
    assert callable(call)
    before = house.place.staged.exists()
    with pytest.raises((MirrorError, WireError)) as error:
        call()
    assert house.place.staged.exists() == before
    assert isinstance(error.value, MirrorError | WireError)
    return error.value.reason


def test_a_withdrawal_is_a_tombstone_that_two_people_sign(house: House) -> None:
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    house.turn()
    settled = changes.withdraw(house.signing("carol"), "sdk/tool", "1.0", None, "  it deletes files ")
    assert missing(settled) == {"sdk": 1}
    assert [line.version for line in seen(house).releases] == ["1.0", "2.0"]
    house.approve("alice")
    house.turn()
    (stone,) = seen(house).tombstones
    assert (stone.version, stone.platform, stone.reason) == ("1.0", "any", "it deletes files")
    assert [line.version for line in seen(house).releases] == ["2.0"]
    for version, reason in (("1.0", "withdrawn"), ("9.9", "no-release")):
        assert refused(house, lambda v=version: changes.withdraw(house.signing("carol"), "sdk/tool", v, None, "x")) == (
            reason
        )


def test_a_reason_is_given_for_customers_to_read(house: House) -> None:
    for reason in ("", " \n"):
        for call in (changes.withdraw, changes.halt):
            assert refused(house, lambda c=call, r=reason: c(house.signing("bob"), "sdk/tool", "1.0", None, r)) == (
                "no-reason"
            )


def test_a_withdrawal_may_be_of_one_platform(mirror: Mirror, source: Path) -> None:
    for platform in ("linux-x86_64", "linux-arm64"):
        wanted = msgspec.structs.replace(rig.order(), platform=platform)
        assert publish.publish(mirror.means(), wanted, source).state is State.PUBLISHED
    changes.withdraw(mirror.signing(), "sdk/tool", "1.0", "linux-arm64", "broken")
    found = rig.client_view(mirror)
    assert [line.platform for line in found.releases] == ["linux-x86_64"]
    assert [stone.platform for stone in found.tombstones] == ["linux-arm64"]


def test_a_halt_needs_one_person_and_so_does_its_end(house: House) -> None:
    settled = changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "it hangs")
    assert (settled.signed, missing(settled)) == (("halts",), {"halts": 0})
    house.turn()
    (one,) = halted(house)
    assert (one.component, one.version, one.platform, one.reason) == ("tool", "1.0", "any", "it hangs")
    assert [line.version for line in seen(house).releases] == ["1.0"], "on offer still, and stopped"
    again = refused(house, lambda: changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "x"))
    assert again == "halted"
    changes.resume(house.signing("carol"), "sdk/tool", "1.0", None)
    house.turn()
    assert halted(house) == []
    assert refused(house, lambda: changes.resume(house.signing("carol"), "sdk/tool", "1.0", None)) == "not-halted"
    changes.halt(house.signing("carol"), "sdk/tool", "1.0", "any", "again")
    house.turn()
    assert [one.reason for one in halted(house)] == ["again"]


def test_two_halts_at_once_are_both_signed_by_the_second(house: House) -> None:
    """A halt that was staged a moment ago must not lose its only signature."""
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    house.turn()
    changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "one")
    settled = changes.halt(house.signing("carol"), "sdk/tool", "2.0", None, "two")
    assert missing(settled) == {"halts": 0}
    house.turn()
    assert [one.version for one in halted(house)] == ["1.0", "2.0"]


def test_what_is_not_published_cannot_be_halted(house: House) -> None:
    for component, version in (("sdk/tool", "9.9"), ("sdk/other", "1.0"), ("science/tool", "1.0")):
        assert refused(house, lambda c=component, v=version: changes.halt(house.signing("bob"), c, v, None, "x")) == (
            "no-release"
        )


def test_a_baseline_is_signed_like_a_release_and_never_changes(house: House) -> None:
    settled = changes.baseline(house.signing("alice"), "sdk", "2026.1", {"tool": "1.0"}, "the first")
    assert missing(settled) == {"sdk": 1}
    house.approve("bob")
    house.turn()
    raw = house.target(baselines.target_path("sdk"))
    assert raw is not None
    (found,) = baselines.decode(raw).baselines
    assert (found.name, found.components, found.notes) == ("2026.1", {"tool": "1.0"}, "the first")

    def baseline(product: str, name: str, components: dict[str, str]) -> str:
        return refused(house, lambda: changes.baseline(house.signing("alice"), product, name, components, ""))

    assert baseline("sdk", "2026.1", {"tool": "1.0"}) == "other-content"
    assert baseline("sdk", "2026.2", {"tool": "9.9"}) == "no-release"
    assert baseline("sdk", "2026.2", {"other": "1.0"}) == "no-release"
    assert baseline("sdk", "2026.2", {}) == "wrong-shape"
    assert baseline("sdk", "../x", {"tool": "1.0"}) == "wrong-shape"
    assert baseline("halts", "2026.2", {"tool": "1.0"}) == "reserved-name"


def test_the_official_mirrors_are_signed_by_two(house: House) -> None:
    pem = certificate()
    wanted = Trust(mirrors=(OfficialMirror("https://mirror.example.com", pem),))
    assert missing(changes.mirrors(house.signing("alice"), wanted)) == {"house": 1}
    house.approve("bob")
    house.turn()
    assert house.target(trust.PATH) == trust.encode(wanted)
    assert refused(house, lambda: changes.mirrors(house.signing("alice"), wanted)) == "other-content"
    bad = Trust(mirrors=(OfficialMirror("https://mirror.example.com", "no certificate"),))
    assert refused(house, lambda: changes.mirrors(house.signing("alice"), bad)) == "bad-target"


def certificate() -> str:
    return trustme.CA().cert_pem.bytes().decode()


def test_every_change_is_shown_to_the_second_person(house: House) -> None:
    changes.withdraw(house.signing("alice"), "sdk/tool", "1.0", None, "broken")
    changes.mirrors(house.signing("alice"), Trust(mirrors=(OfficialMirror("https://a.example", certificate()),)))
    kinds = {one.role: [line.kind for line in one.differences] for one in approve.look(house.signing())}
    assert kinds == {"sdk": ["withdrawn"], "house": ["mirror"]}


def test_where_nobody_here_may_sign_it_waits_unsigned(house: House) -> None:
    settled = changes.halt(house.signing("dave"), "sdk/tool", "1.0", None, "hangs")
    assert (settled.signed, missing(settled)) == ((), {"halts": 1})
    assert house.turn() is None


def test_what_nobody_signed_is_not_signed_along_where_one_signature_is_enough(house: House) -> None:
    """Whoever took the mirror over could lift a halt by that, or set one."""
    house.publish("alice", house.source, "2.0")
    house.approve("bob")
    changes.halt(house.signing("carol"), "sdk/tool", "1.0", None, "it burns")
    house.turn()
    changes.resume(house.signing("dave"), "sdk/tool", "1.0", None)
    settled = changes.halt(house.signing("carol"), "sdk/tool", "2.0", None, "so does this")
    assert (settled.signed, settled.aside) == (("halts",), ("sdk/tool 1.0: not halted any more",))
    house.turn()
    assert [one.version for one in halted(house)] == ["1.0", "2.0"]


def test_signing_anew_does_not_sign_along_either(house: House) -> None:
    changes.halt(house.signing("dave"), "sdk/tool", "1.0", None, "hangs")
    settled = holders.renew(house.signing("carol"), ["halts"])
    assert (settled.signed, missing(settled)) == ((), {"halts": 1})


def test_a_draft_reads_what_waits_on_top_of_what_is_visible(house: House) -> None:
    changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "hangs")
    house.publish("alice", house.source, "2.0")
    signing: Signing = house.signing()
    with changing(house.place):
        draft = Draft(signing)
    assert draft.version == 2
    assert [line.version for line in draft.index("sdk", "tool").releases] == ["1.0", "2.0"]
    assert [one.version for one in draft.halts("sdk").halts] == ["1.0"]
    assert draft.index("root", "tool") == Index(product="root", component="tool")
    assert (draft.baselines("sdk").baselines, draft.trust()) == ((), None)


def test_before_there_is_a_catalogue_nothing_is_changed(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    assert refused(house, lambda: changes.halt(house.signing("bob"), "sdk/tool", "1.0", None, "x")) == "no-catalogue"
    assert refused(house, lambda: house.publish("alice", tmp_path)) == "no-catalogue"
