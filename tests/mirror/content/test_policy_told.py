"""mirror.content.policy: the whole of each decision, and what the audit line is told. Mutants asked for it."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
import pytest

from ca.identity import Identity, Role
from mirror.content.policy import Allow, Deny, counted_as, decide
from mirror.records.protocol import Licence
from spot_client.wire import routes
from spot_client.wire.problem import Reason
from tests.mirror.content.test_policy import (
    ACME,
    BARE,
    CA,
    CRL,
    DAY,
    MINE,
    MINT,
    MIRROR,
    NOW,
    OLD_CA,
    OTHERS,
    PACK,
    PEER,
    PUT,
    REALM,
    SUPPORT,
    SUSPENDED,
    TIMESTAMP,
    TODAY,
    who,
    world_with,
)  # fmt: skip


def decided(
    path: str = PACK,
    method: str = "GET",
    *,
    peer: Mapping[str, Any] | None = None,
    world: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    claim: str | None = None,
) -> Allow | Deny:
    return decide(
        peer=msgspec.structs.replace(PEER, **(peer or {})),
        route=routes.parse(path),
        method=method,
        world=world_with(**(world or {})),
        now=now,
        installation=claim,
    )


LONG: Final = 30 * DAY
OLD: Final[dict[str, Any]] = {"not_before": NOW - LONG, "not_after": NOW + LONG}
DENIED: Final[dict[str, tuple[dict[str, Any], Reason, str]]] = {
    "problems": ({"peer": {"problems": ("No EKU.", "No SAN.")}}, Reason.BAD_CERTIFICATE, "No EKU. No SAN."),
    "issuer": ({"peer": {"issuer_key": OLD_CA}}, Reason.UNKNOWN_ISSUER, OLD_CA.hex()),
    "issuer, early": ({"now": NOW - 10 * DAY}, Reason.NOT_YET_VALID, "issuing CA begins 2026-06-06T12:00:00Z"),
    "issuer, late": ({"now": NOW + 10 * DAY}, Reason.EXPIRED, "issuing CA ended 2026-06-24T12:00:00Z"),
    "realm": ({"peer": who(realm="other.example.com")}, Reason.OTHER_REALM, "other.example.com"),
    "early": ({"now": NOW - 2 * DAY}, Reason.NOT_YET_VALID, "certificate begins 2026-06-14T12:00:00Z"),
    "late": ({"now": NOW + 2 * DAY}, Reason.EXPIRED, "certificate ended 2026-06-16T12:00:00Z"),
    "no CRL": ({"world": {"revocations": {}}}, Reason.REVOCATION_UNKNOWN, "no CRL of this issuer"),
    "old CRL": (
        {"world": {"revocations": {CA: msgspec.structs.replace(CRL, next_update=NOW - 8 * DAY)}}},
        Reason.REVOCATION_UNKNOWN,
        "CRL lapsed 2026-06-07T12:00:00Z",
    ),
    "revoked": ({"peer": {"serial": 666}}, Reason.REVOKED, "CRL 1"),
    "role": ({"peer": SUPPORT}, Reason.WRONG_ROLE, "support"),
    "path": ({"path": "/nowhere"}, Reason.NOT_FOUND, "no such route"),
    "method": ({"method": "PUT"}, Reason.METHOD_NOT_ALLOWED, "pack"),
    "customer": ({"peer": who(name="initech")}, Reason.UNKNOWN_CUSTOMER, "initech"),
    "suspended": ({"world": SUSPENDED}, Reason.SUSPENDED, "acme"),
    "licence": ({"path": PACK.replace("sdk", "science")}, Reason.NOT_LICENSED, "science"),
    "no licence at all": ({"world": {"licences": {}}}, Reason.NOT_LICENSED, "sdk"),
    "enrolled": (
        {"path": MINT, "method": "POST", "peer": BARE},
        Reason.NOT_YOUR_INSTALLATION,
        "the certificate names an installation already",
    ),
    "two": (
        {"path": PUT, "method": "PUT", "claim": OTHERS},
        Reason.NOT_YOUR_INSTALLATION,
        "two installations are named",
    ),
    "another's": ({"claim": OTHERS}, Reason.NOT_YOUR_INSTALLATION, "not one of this customer"),
}


@pytest.mark.parametrize(("case", "reason", "detail"), DENIED.values(), ids=DENIED)
def test_a_refusal_says_in_the_audit_line_what_was_wrong(case: dict[str, Any], reason: Reason, detail: str) -> None:
    assert decided(**case) == Deny(reason, detail)


def test_a_client_is_let_in_as_itself_with_the_channels_of_its_licences_in_force() -> None:
    held = (
        Licence("acme", "sdk", ("stable",), TODAY, TODAY, 1),
        Licence("acme", "sdk", ("beta", "nightly"), TODAY, None, 1),
        Licence("acme", "sdk", ("ended",), TODAY - 9 * DAY, TODAY - DAY, 1),
        Licence("acme", "science", ("other",), TODAY, None, 1),
    )
    found = decided(world={"licences": {"acme": held}})
    assert found == Allow(ACME, routes.parse(PACK), None, frozenset({"stable", "beta", "nightly"}))  # type: ignore[arg-type]


def test_a_mirror_is_let_in_as_itself_to_all_channels() -> None:
    two: Identity = MIRROR["identity"]
    assert two.role is Role.MIRROR
    assert decided(peer=MIRROR) == Allow(two, routes.parse(PACK), None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "case",
    [
        {"path": PUT, "method": "PUT"},
        {"claim": MINE},
        {"peer": BARE},
        {"path": PUT, "method": "PUT", "claim": MINE, "peer": BARE},
    ],
)
def test_the_installation_that_is_spoken_for_is_the_one_that_is_named_anywhere(case: dict[str, Any]) -> None:
    found = decided(**case)
    assert isinstance(found, Allow)
    assert found.installation == MINE


def test_a_licence_holds_by_the_day_of_utc_wherever_the_mirror_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        assert isinstance(decided(), Allow)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("peer", "realm", "expected"),
    [
        ({}, REALM, "acme"),
        (BARE, REALM, "acme"),
        ({"serial": 666}, REALM, "acme"),  # revoked, and asks all the same
        ({"not_after": NOW - DAY}, REALM, "acme"),
        ({"issuer_key": b"nobody"}, REALM, "acme"),
        ({}, "other.example", None),
        (MIRROR, REALM, None),
        ({"problems": ("weak-key",)}, REALM, None),
        ({"identity": None}, REALM, None),
    ],
)
def test_requests_are_counted_for_the_customer_whose_certificate_was_shown(
    peer: dict[str, Any], realm: str, expected: str | None
) -> None:
    assert counted_as(msgspec.structs.replace(PEER, **peer), realm) == expected


def test_a_route_without_a_product_needs_no_licence_and_offers_no_channel() -> None:
    found = decided(TIMESTAMP)
    assert isinstance(found, Allow)
    assert found.channels == frozenset()


def test_a_licence_without_channels_lets_in_and_offers_nothing() -> None:
    held = (Licence("acme", "sdk", (), TODAY, None, 1),)
    found = decided(world={"licences": {"acme": held}})
    assert isinstance(found, Allow)
    assert found.channels == frozenset()
