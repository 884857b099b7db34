"""The site's list: a strict document, and a rule that allows exactly the content that stands there."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.decide import site
from spot_client.decide.choose import Hold, Rollback, Situation, Upgrade, Why, choose
from spot_client.decide.site import Approved, Rule, SiteList
from spot_client.wire import document
from spot_client.wire.errors import WireError
from spot_client.wire.index import Index, Release, Severity, Tombstone
from spot_client.wire.sealed import Seal

TOOL = "sdk/tool"
HEAD, OTHER = "a" * 64, "b" * 64


def release(version: str, platform: str = "any", head: str = HEAD, channel: str = "stable") -> Release:
    return Release(version, platform, (channel,), Seal(head, 1), Severity.BUG, "2026-01-01T00:00:00Z")


def index(*releases: Release) -> Index:
    return Index(product="sdk", component="tool", releases=releases)


def approved(version: str, platform: str = "any", component: str = TOOL, head: str = HEAD) -> Approved:
    return Approved(component, version, platform, head)


def rule(*lines: Approved) -> Rule:
    return Rule(site.make(1, lines))


def decided(found: Index, here: Rule, installed: str | None = None, wanted: str | None = None) -> object:
    situation = Situation(installed, "stable", "linux-x86_64", objection=lambda one: here.objection(TOOL, one))
    return choose(found, situation, wanted=wanted)


# What the list allows


def test_without_a_list_everything_is_allowed() -> None:
    assert Rule(None).objection(TOOL, release("1.0")) is None
    assert Rule(None).waiting(index(release("1.0")), channel="stable", platform="any", after=None) == ()


def test_an_empty_list_allows_nothing() -> None:
    assert rule().objection(TOOL, release("1.0")) == (
        "1.0 is not on this site's list; 'spot site-approve sdk/tool 1.0' puts it there"
    )


@pytest.mark.parametrize(
    "other",
    [
        approved("1.1"),
        approved("1.0", "linux-x86_64"),
        approved("1.0", component="sdk/other"),
        approved("1.0", head=OTHER),
    ],
)
def test_only_the_same_component_version_platform_and_content_is_allowed(other: Approved) -> None:
    assert rule(approved("1.0")).objection(TOOL, release("1.0")) is None
    assert rule(other).objection(TOOL, release("1.0")) is not None


def test_a_component_goes_to_the_newest_release_that_the_site_allows_too() -> None:
    found = index(release("1.0"), release("2.0"), release("3.0"))
    assert decided(found, rule(approved("1.0"), approved("2.0"))) == Upgrade(found.releases[1])
    held = decided(found, rule(approved("1.0"), approved("2.0")), "2.0")
    assert isinstance(held, Hold)
    assert held.why is Why.CURRENT
    assert held.detail == (
        "2.0 is the newest on offer that may be installed: "
        "3.0 is not on this site's list; 'spot site-approve sdk/tool 3.0' puts it there"
    )


def test_the_vendor_has_to_allow_it_too() -> None:
    """What is on the list and not on offer any more does not come into use."""
    held = decided(index(release("1.0", channel="beta")), rule(approved("1.0")))
    assert isinstance(held, Hold)
    assert held.why is Why.OTHER_CHANNEL


def test_a_version_that_was_asked_for_is_held_to_the_list() -> None:
    held = decided(index(release("1.0"), release("2.0")), rule(approved("1.0")), "1.0", "2.0")
    assert isinstance(held, Hold)
    assert held.why is Why.NOT_APPROVED_HERE


def test_an_approval_that_was_taken_back_does_not_send_a_component_back() -> None:
    held = decided(index(release("1.0"), release("2.0")), rule(approved("1.0")), "2.0")
    assert isinstance(held, Hold)
    assert held.why is Why.CURRENT
    assert "list" not in held.detail


def test_where_the_vendor_withdraws_a_release_the_way_back_is_one_that_the_site_allows() -> None:
    found = msgspec.structs.replace(
        index(release("1.0"), release("2.0")),
        tombstones=(Tombstone("3.0", "any", "2026-01-01T00:00:00Z", "broken"),),
    )
    assert decided(found, rule(approved("1.0")), "3.0") == Rollback(found.releases[0])


def test_what_waits_is_what_could_be_installed_but_for_the_list() -> None:
    found = index(
        release("1.0"),
        release("1.5", channel="beta"),
        release("2.0", "any"),
        release("2.0", "linux-x86_64"),
        release("2.5", "macos-arm64"),
        release("3.0"),
    )

    def waiting(here: Rule, after: str | None) -> tuple[str, ...]:
        return here.waiting(found, channel="stable", platform="linux-x86_64", after=after)

    assert waiting(rule(), None) == ("1.0", "2.0", "3.0")
    assert waiting(rule(), "1.0") == ("2.0", "3.0")
    assert waiting(rule(approved("2.0", "linux-x86_64")), "1.0") == ("3.0",)


# The document


def test_a_list_is_sorted_and_read_back_as_it_was() -> None:
    made = site.make(7, [approved("10.0"), approved("9.0"), approved("1.0", component="a/b")])
    assert [one.version for one in made.approved] == ["1.0", "9.0", "10.0"]
    assert site.decode(document.encode(made)) == made


@pytest.mark.parametrize(
    "change",
    [
        {"approved": (approved("2.0"), approved("1.0"))},
        {"approved": (approved("1.0"), approved("1.0"))},
        {"approved": (approved("1.0"), approved("1.0", head=OTHER))},
        {"approved": (approved("1.0-rc1"),)},
        {"approved": (approved("1.0", "amiga"),)},
        {"approved": (approved("1.0", component="house/trust"),)},
        {"approved": (approved("1.0", component="../tool"),)},
    ],
)
def test_a_list_that_breaks_a_rule_is_refused(change: dict[str, object]) -> None:
    raw = document.encode(msgspec.structs.replace(SiteList(version=1), **change))
    with pytest.raises(WireError):
        site.decode(raw)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version":1', b'"version":0'),
        (b'"version":1', b'"version":-1'),
        (b'"version":1', b'"version":1.0'),
        (b'"version":1', b'"version":9007199254740993'),
        (b'"version":1', b'"version":1,"version":2'),
        (b'"signature":null', b'"signature":""'),
        (b'"signature":null', b'"signature":"' + b"A" * 128 + b'"'),
        (b'"signature":null', b'"signature":null,"more":1'),
        (b'"format":1', b'"format":2'),
        (b"{", b"{ "),
    ],
)
def test_bytes_that_are_not_the_one_spelling_of_a_list_are_refused(old: bytes, new: bytes) -> None:
    raw = document.encode(SiteList(version=1))
    assert site.decode(raw).version == 1
    assert old in raw
    with pytest.raises(WireError):
        site.decode(raw.replace(old, new))


def test_a_list_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError) as refused:
        site.decode(b" " * (site.MAX_BYTES + 1))
    assert refused.value.reason == "too-large"


@given(raw=st.binary(max_size=300))
def test_any_bytes_are_a_list_or_refused(raw: bytes) -> None:
    with contextlib.suppress(WireError):
        assert document.encode(site.decode(raw)) == raw


versions = st.sampled_from(["1.0", "1.1", "2.0rc1", "2.0", "10.0"])
platforms = st.sampled_from(["any", "linux-x86_64", "macos-arm64"])
lines = st.builds(Approved, st.sampled_from(["sdk/tool", "sdk/other", "a/b"]), versions, platforms, st.just(HEAD))


@given(listed=st.sets(lines), asked=lines)
def test_a_rule_allows_what_is_listed_and_nothing_else(listed: set[Approved], asked: Approved) -> None:
    here = Rule(site.decode(document.encode(site.make(1, listed))))
    one = release(asked.version, asked.platform, asked.manifest)
    assert (here.objection(asked.component, one) is None) == (asked in listed)


def test_the_signature_is_not_over_itself_and_over_all_the_rest() -> None:
    listed = site.make(3, [approved("1.0")])
    signed = msgspec.structs.replace(listed, signature="ab" * 64)
    assert site.signed_bytes(signed) == site.signed_bytes(listed) == b"spot site list\n" + document.encode(listed)
