"""mirror.content.policy: the table of who may do what, and that nothing unlicensed ever passes."""

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.identity import Identity, Role
from ca.peer import Peer
from ca.revocation import Revocations
from mirror.content.policy import Allow, Deny, decide
from mirror.content.world import Validity, World
from mirror.memory.values import Holding
from mirror.records.protocol import Licence
from spot_client.wire import routes
from spot_client.wire.problem import Reason

REALM: Final = "build.example.com"
NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
TODAY: Final = NOW.date()
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)
CA, OLD_CA = b"issuing-1", b"issuing-0"
MINE, OTHERS, UNMINTED = "0000000000000000", "1111111111111111", "2222222222222222"

PACK, MANIFEST = "/releases/sdk/core/1.0/any/pack", "/releases/sdk/core/1.0/any/manifest"
TARGET = f"/catalogue/targets/sdk/core/{'0' * 64}.index.json.zst"
BASELINES = f"/catalogue/targets/sdk/{'0' * 64}.baselines.json.zst"
HALTS = f"/catalogue/targets/halts/{'0' * 64}.sdk.json.zst"
TRUST = f"/catalogue/targets/house/{'0' * 64}.trust.json"
TIMESTAMP, ROLE = "/catalogue/timestamp.json", "/catalogue/1.sdk.json"
LICENCES, MINT = "/licences", "/installations"
PUT = f"/installations/{MINE}/thin-snapshot"
ENROL, REENROL = "/.well-known/est/simpleenroll", "/.well-known/est/simplereenroll"

ACME = Identity(REALM, Role.CLIENT, "acme")
PEER: Final = Peer(ACME, (), 7, CA, NOW - DAY, NOW + DAY)
CRL: Final = Revocations(CA, frozenset({666}), 1, NOW - DAY, NOW + DAY)
CUSTOMERS: Final = frozenset({"acme", "globex"})
HELD: Final[Mapping[str, tuple[Licence, ...]]] = {
    "acme": (
        Licence("acme", "sdk", ("stable",), TODAY, TODAY, 1),
        Licence("acme", "ended", ("stable",), TODAY - 9 * DAY, TODAY - DAY, 1),
        Licence("acme", "coming", ("stable",), TODAY + DAY, None, 1),
    ),
    "globex": (Licence("globex", "science", ("stable",), TODAY, None, 1),),
}


def world_with(
    *,
    customers: Collection[str] = CUSTOMERS,
    licences: Mapping[str, tuple[Licence, ...]] = HELD,
    suspended: Collection[str] = (),
    **other: Any,
) -> World:
    """The world of these tests, some of it changed."""
    found = World(
        realm=REALM,
        issuers={CA: Validity(NOW - 9 * DAY, NOW + 9 * DAY)},
        revocations={CA: CRL},
        grace=timedelta(days=7),
        holders={name: Holding(licences.get(name, ()), name in suspended) for name in customers},
        installations={MINE: "acme", OTHERS: "globex"},
    )
    return msgspec.structs.replace(found, **other)


WORLD: Final = world_with()


def asked(
    path: str = PACK,
    method: str = "GET",
    *,
    peer: Mapping[str, Any] | None = None,
    world: Mapping[str, Any] | None = None,
    now: datetime = NOW,
    claim: str | None = None,
) -> Reason | None:
    """The reason for which a request is refused; None if it is allowed."""
    decision = decide(
        peer=msgspec.structs.replace(PEER, **(peer or {})),
        route=routes.parse(path),
        method=method,
        world=world_with(**(world or {})),
        now=now,
        installation=claim,
    )
    return decision.reason if isinstance(decision, Deny) else None


def who(role: Role = Role.CLIENT, name: str = "acme", realm: str = REALM, installation: str | None = None) -> Any:
    return {"identity": Identity(realm, role, name, installation)}


MIRROR, SUPPORT, OPERATOR = who(Role.MIRROR, "two"), who(Role.SUPPORT, "ann"), who(Role.CA_OPERATOR, "one")
NO_CRL: Any = {"revocations": {}}
SUSPENDED: Any = {"suspended": frozenset({"acme"})}
BARE = who(installation=MINE)
PACKAGE = who(Role.ENROL)
LAPSED: Any = {"not_after": NOW - DAY}
GRACE: Any = {"renewal_grace": DAY}
OWNED: Any = {"owns": {MINE}.__contains__}


def crl_until(moment: datetime) -> dict[str, Any]:
    return {"revocations": {CA: msgspec.structs.replace(CRL, next_update=moment)}}


ALLOWED: Final[dict[str, dict[str, Any]]] = {
    "a pack of a licensed product": {},
    "its manifest": {"path": MANIFEST},
    "a HEAD": {"method": "HEAD"},
    "its index": {"path": TARGET},
    "its role": {"path": ROLE},
    "its baselines": {"path": BASELINES},
    "its halts": {"path": HALTS},
    "the list of mirrors": {"path": TRUST},
    "the same, without any licence": {"path": TRUST, "world": {"licences": {}}},
    "the role of the house, without any licence": {"path": "/catalogue/1.house.json", "world": {"licences": {}}},
    "the role of halts, without any licence": {"path": "/catalogue/1.halts.json", "world": {"licences": {}}},
    "a role of nobody's product": {"path": "/catalogue/timestamp.json"},
    "its licences": {"path": LICENCES},
    "an id": {"path": MINT, "method": "POST"},
    "its thin snapshot": {"path": PUT, "method": "PUT"},
    "the same, with a certificate of that installation": {"path": PUT, "method": "PUT", "peer": BARE},
    "a claim to be its own installation": {"claim": MINE},
    "the first second of a certificate": {"peer": {"not_before": NOW}},
    "the last second of a certificate": {"peer": {"not_after": NOW}},
    "a certificate for an installation": {"path": ENROL, "method": "POST"},
    "another one for the same": {"path": REENROL, "method": "POST", "peer": BARE},
    "a package that only enrols, an id": {"path": MINT, "method": "POST", "peer": PACKAGE},
    "a package that only enrols, a certificate": {"path": ENROL, "method": "POST", "peer": PACKAGE},
    "another one, just after the end": {
        "path": REENROL,
        "method": "POST",
        "peer": BARE | LAPSED,
        "world": GRACE,
    },
    "a first certificate, just after the end": {"path": ENROL, "method": "POST", "peer": LAPSED, "world": GRACE},
    "its thin snapshot, by its own certificate": {"path": PUT, "method": "PUT", "peer": BARE, "world": OWNED},
    "a claim to be an installation with its own certificate": {"claim": MINE, "world": OWNED},
    "a CRL in its grace": {"world": crl_until(NOW - timedelta(days=7))},
    "the last second of a licence": {"now": datetime(2026, 6, 15, 23, 59, 59, tzinfo=UTC), "world": {}},
    "a customer beside a suspended one": {"world": {"suspended": frozenset({"globex"})}},
    "a mirror, while a customer of its name is suspended": {
        "peer": who(Role.MIRROR, "acme"),
        "path": TIMESTAMP,
        "world": SUSPENDED,
    },
    "a mirror, the catalogue": {"peer": MIRROR, "path": TIMESTAMP},
    "a mirror, any product's role": {"peer": MIRROR, "path": "/catalogue/1.science.json"},
    "a mirror, any product's baselines": {"peer": MIRROR, "path": BASELINES.replace("sdk", "science")},
    "a mirror, any product's halts": {"peer": MIRROR, "path": HALTS.replace("sdk", "science")},
    "a mirror, the list of mirrors": {"peer": MIRROR, "path": TRUST},
    "a mirror, any product's pack": {"peer": MIRROR, "path": "/releases/science/numpy/1.0/any/pack"},
}


@pytest.mark.parametrize("case", ALLOWED.values(), ids=ALLOWED)
def test_what_is_allowed(case: dict[str, Any]) -> None:
    assert asked(**case) is None


DENIED: Final[dict[str, tuple[Reason, dict[str, Any]]]] = {
    "a certificate with a problem": (Reason.BAD_CERTIFICATE, {"peer": {"problems": ("is-a-ca",)}}),
    "a certificate without identity": (Reason.BAD_CERTIFICATE, {"peer": {"identity": None, "problems": ()}}),
    "an issuer that is not configured": (Reason.UNKNOWN_ISSUER, {"peer": {"issuer_key": OLD_CA}}),
    "no issuer at all": (Reason.UNKNOWN_ISSUER, {"peer": {"issuer_key": b""}}),
    "an issuer that ended": (Reason.EXPIRED, {"world": {"issuers": {CA: Validity(NOW - DAY, NOW - SECOND)}}}),
    "an issuer to come": (Reason.NOT_YET_VALID, {"world": {"issuers": {CA: Validity(NOW + SECOND, NOW + DAY)}}}),
    "another realm": (Reason.OTHER_REALM, {"peer": who(realm="other.example.com")}),
    "a certificate that ended a second ago": (Reason.EXPIRED, {"peer": {"not_after": NOW - SECOND}}),
    "a certificate that begins in a second": (Reason.NOT_YET_VALID, {"peer": {"not_before": NOW + SECOND}}),
    "no CRL": (Reason.REVOCATION_UNKNOWN, {"world": NO_CRL}),
    "a CRL of another issuer only": (Reason.REVOCATION_UNKNOWN, {"world": {"revocations": {OLD_CA: CRL}}}),
    "a CRL beyond its grace": (Reason.REVOCATION_UNKNOWN, {"world": crl_until(NOW - timedelta(days=7) - SECOND)}),
    "a lapsed CRL without grace": (
        Reason.REVOCATION_UNKNOWN,
        {"world": crl_until(NOW - SECOND) | {"grace": timedelta()}},
    ),
    "a revoked certificate": (Reason.REVOKED, {"peer": {"serial": 666}}),
    "support staff": (Reason.WRONG_ROLE, {"peer": SUPPORT}),
    "the issuing host": (Reason.WRONG_ROLE, {"peer": OPERATOR, "path": TIMESTAMP}),
    "a mirror, licences": (Reason.WRONG_ROLE, {"peer": MIRROR, "path": LICENCES}),
    "a mirror, an id": (Reason.WRONG_ROLE, {"peer": MIRROR, "path": MINT, "method": "POST"}),
    "a mirror, a thin snapshot": (Reason.WRONG_ROLE, {"peer": MIRROR, "path": PUT, "method": "PUT"}),
    "a mirror, nowhere": (Reason.NOT_FOUND, {"peer": MIRROR, "path": "/nowhere"}),
    "nowhere": (Reason.NOT_FOUND, {"path": "/nowhere"}),
    "the wrong method": (Reason.METHOD_NOT_ALLOWED, {"method": "DELETE"}),
    "an unknown method": (Reason.METHOD_NOT_ALLOWED, {"method": "get"}),
    "the wrong method of an unlicensed product": (
        Reason.METHOD_NOT_ALLOWED,
        {"method": "PUT", "path": "/releases/science/numpy/1.0/any/pack"},
    ),
    "a customer who is not known": (Reason.UNKNOWN_CUSTOMER, {"peer": who(name="stranger")}),
    "the same, for the catalogue": (Reason.UNKNOWN_CUSTOMER, {"peer": who(name="stranger"), "path": TIMESTAMP}),
    "a suspended customer, a licensed product": (Reason.SUSPENDED, {"world": SUSPENDED}),
    "a suspended customer, the catalogue": (Reason.SUSPENDED, {"world": SUSPENDED, "path": TIMESTAMP}),
    "a suspended customer, its licences": (Reason.SUSPENDED, {"world": SUSPENDED, "path": LICENCES}),
    "a suspended customer, an id": (Reason.SUSPENDED, {"world": SUSPENDED, "path": MINT, "method": "POST"}),
    "a suspended customer, a thin snapshot": (Reason.SUSPENDED, {"world": SUSPENDED, "path": PUT, "method": "PUT"}),
    "a suspended customer, an installation's certificate": (Reason.SUSPENDED, {"world": SUSPENDED, "peer": BARE}),
    "suspended comes before not licensed": (
        Reason.SUSPENDED,
        {"world": SUSPENDED, "path": "/releases/science/numpy/1.0/any/pack"},
    ),
    "a customer who is not known comes before suspended": (
        Reason.UNKNOWN_CUSTOMER,
        {"world": SUSPENDED | {"customers": frozenset({"globex"})}},
    ),
    "revoked comes before suspended": (Reason.REVOKED, {"world": SUSPENDED, "peer": {"serial": 666}}),
    "another's product": (Reason.NOT_LICENSED, {"path": "/releases/science/numpy/1.0/any/pack"}),
    "another's role": (Reason.NOT_LICENSED, {"path": "/catalogue/1.science.json"}),
    "another's index": (Reason.NOT_LICENSED, {"path": TARGET.replace("sdk", "science")}),
    "another's baselines": (Reason.NOT_LICENSED, {"path": BASELINES.replace("sdk", "science")}),
    "another's halts": (Reason.NOT_LICENSED, {"path": HALTS.replace("sdk", "science")}),
    "the halts of a licence that ended": (Reason.NOT_LICENSED, {"path": HALTS.replace("sdk", "ended")}),
    "a suspended customer, the list of mirrors": (Reason.SUSPENDED, {"world": SUSPENDED, "path": TRUST}),
    "a stranger, the list of mirrors": (Reason.UNKNOWN_CUSTOMER, {"peer": who(name="stranger"), "path": TRUST}),
    "support staff, the list of mirrors": (Reason.WRONG_ROLE, {"peer": SUPPORT, "path": TRUST}),
    "a list of mirrors that is put": (Reason.METHOD_NOT_ALLOWED, {"method": "PUT", "path": TRUST}),
    "a product that does not exist": (Reason.NOT_LICENSED, {"path": "/releases/nothing/numpy/1.0/any/pack"}),
    "a licence that ended": (Reason.NOT_LICENSED, {"path": "/catalogue/1.ended.json"}),
    "a licence to come": (Reason.NOT_LICENSED, {"path": "/catalogue/1.coming.json"}),
    "the first second after a licence": (
        Reason.NOT_LICENSED,
        {"now": datetime(2026, 6, 16, tzinfo=UTC)},
    ),
    "another's thin snapshot": (
        Reason.NOT_YOUR_INSTALLATION,
        {"path": PUT.replace(MINE, OTHERS), "method": "PUT"},
    ),
    "an installation never minted": (
        Reason.NOT_YOUR_INSTALLATION,
        {"path": PUT.replace(MINE, UNMINTED), "method": "PUT"},
    ),
    "another installation than the certificate's": (
        Reason.NOT_YOUR_INSTALLATION,
        {
            "path": PUT,
            "method": "PUT",
            "peer": who(installation=UNMINTED),
            "world": {"installations": {MINE: "acme", UNMINTED: "acme"}},
        },
    ),
    "a certificate of another's installation": (Reason.NOT_YOUR_INSTALLATION, {"peer": who(installation=OTHERS)}),
    "a second id for an installation's certificate": (
        Reason.NOT_YOUR_INSTALLATION,
        {"path": MINT, "method": "POST", "peer": BARE},
    ),
    "a claim to be another's installation": (Reason.NOT_YOUR_INSTALLATION, {"claim": OTHERS}),
    "a claim to be none": (Reason.NOT_YOUR_INSTALLATION, {"claim": ""}),
    "a claim against the path": (
        Reason.NOT_YOUR_INSTALLATION,
        {"path": PUT, "method": "PUT", "claim": OTHERS},
    ),
    "its thin snapshot, by another certificate than its own": (
        Reason.OWN_CERTIFICATE,
        {"path": PUT, "method": "PUT", "world": OWNED},
    ),
    "a certificate for an installation that has one": (
        Reason.NOT_YOUR_INSTALLATION,
        {"path": ENROL, "method": "POST", "peer": BARE},
    ),
    "another certificate for none": (Reason.NOT_YOUR_INSTALLATION, {"path": REENROL, "method": "POST"}),
    "a package that only enrols, the catalogue": (Reason.ENROL_ONLY, {"path": TIMESTAMP, "peer": PACKAGE}),
    "a package that only enrols, a pack": (Reason.ENROL_ONLY, {"peer": PACKAGE}),
    "a package that only enrols, a thin snapshot": (Reason.ENROL_ONLY, {"path": PUT, "method": "PUT", "peer": PACKAGE}),
    "a package that only enrols, another certificate": (
        Reason.ENROL_ONLY,
        {"path": REENROL, "method": "POST", "peer": PACKAGE},
    ),
    "a package that only enrols, nowhere": (Reason.ENROL_ONLY, {"path": "/nowhere", "peer": PACKAGE}),
    "a package that only enrols, after its end": (
        Reason.EXPIRED,
        {"path": ENROL, "method": "POST", "peer": PACKAGE | LAPSED, "world": GRACE},
    ),
    "a package of a suspended customer": (
        Reason.SUSPENDED,
        {"path": ENROL, "method": "POST", "peer": PACKAGE, "world": SUSPENDED},
    ),
    "a pack, just after the end": (Reason.EXPIRED, {"peer": LAPSED, "world": GRACE}),
    "nowhere, just after the end": (Reason.EXPIRED, {"path": "/nowhere", "peer": LAPSED, "world": GRACE}),
    "an id, just after the end": (Reason.EXPIRED, {"path": MINT, "method": "POST", "peer": LAPSED, "world": GRACE}),
    "another certificate, long after the end": (
        Reason.EXPIRED,
        {"path": REENROL, "method": "POST", "peer": BARE | {"not_after": NOW - DAY - SECOND}, "world": GRACE},
    ),
    "another certificate, just after the end, revoked": (
        Reason.REVOKED,
        {"path": REENROL, "method": "POST", "peer": BARE | LAPSED | {"serial": 666}, "world": GRACE},
    ),
    "another certificate, before the beginning": (
        Reason.NOT_YET_VALID,
        {"path": REENROL, "method": "POST", "peer": BARE | {"not_before": NOW + DAY}, "world": GRACE},
    ),
    "a mirror, just after the end": (Reason.EXPIRED, {"peer": MIRROR | LAPSED, "world": GRACE}),
    "a mirror, a certificate": (Reason.WRONG_ROLE, {"path": ENROL, "method": "POST", "peer": MIRROR}),
    "revoked comes before nowhere": (Reason.REVOKED, {"peer": {"serial": 666}, "path": "/nowhere"}),
    "form comes before revoked": (Reason.BAD_CERTIFICATE, {"peer": {"serial": 666, "problems": ("two-sans",)}}),
    "dates come before revoked": (Reason.EXPIRED, {"peer": {"serial": 666, "not_after": NOW - DAY}}),
}


@pytest.mark.parametrize(("reason", "case"), DENIED.values(), ids=DENIED)
def test_what_is_denied_and_why(reason: Reason, case: dict[str, Any]) -> None:
    assert asked(**case) is reason


def test_an_allowed_request_speaks_for_the_installation_that_was_named() -> None:
    decision = decide(peer=PEER, route=routes.parse(PACK), method="GET", world=WORLD, now=NOW, installation=MINE)
    assert isinstance(decision, Allow)
    assert decision.installation == MINE


NAMES = st.sampled_from(["acme", "globex", "stranger"])
PRODUCTS = st.sampled_from(["sdk", "science", "ended", "coming", "nothing"])
DAYS = st.dates(date(2026, 6, 10), date(2026, 6, 20))
LICENCE = st.builds(
    Licence,
    customer=NAMES,
    product=PRODUCTS,
    channels=st.just(("stable",)),
    valid_from=DAYS,
    valid_until=st.none() | DAYS,
    installations=st.just(1),
)
PRODUCT_PATHS = st.sampled_from(
    [
        "/releases/{}/core/1.0/any/pack",
        "/releases/{}/core/1.0/any/manifest",
        "/catalogue/3.{}.json",
        "/catalogue/targets/{}/core/" + "0" * 64 + ".index.json.zst",
        "/catalogue/targets/{}/" + "0" * 64 + ".baselines.json.zst",
        "/catalogue/targets/halts/" + "0" * 64 + ".{}.json.zst",
    ]
)


class Try(msgspec.Struct, frozen=True):
    """A request for something of a product, by somebody, on some day."""

    customer: str
    product: str
    path: str
    method: str
    licences: tuple[Licence, ...]
    now: datetime
    problems: tuple[str, ...]
    serial: int
    claim: str | None
    suspended: frozenset[str]


TRIES = st.builds(
    Try,
    customer=NAMES,
    product=PRODUCTS,
    path=PRODUCT_PATHS,
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT"]),
    licences=st.lists(LICENCE, max_size=6).map(tuple),
    now=st.integers(-4, 4).map(lambda days: NOW + days * DAY),
    problems=st.sampled_from([(), ("is-a-ca",)]),
    serial=st.sampled_from([7, 666]),
    claim=st.sampled_from([None, MINE, OTHERS]),
    suspended=st.sampled_from([frozenset(), frozenset({"acme"}), frozenset({"globex"})]),
)


@given(TRIES)
def test_nothing_unlicensed_is_ever_allowed(one: Try) -> None:
    held = {name: tuple(held for held in one.licences if held.customer == name) for name in ("acme", "globex")}
    peer = {"problems": one.problems, "serial": one.serial, "not_before": one.now - DAY, "not_after": one.now + DAY}
    reason = asked(
        one.path.format(one.product),
        one.method,
        peer=who(name=one.customer) | peer,
        world={"licences": held, "suspended": one.suspended} | crl_until(one.now),
        now=one.now,
        claim=one.claim,
    )
    in_force = [
        held for held in held.get(one.customer, ()) if held.product == one.product and held.holds(one.now.date())
    ]
    sound = not one.problems and one.serial == 7 and one.method in {"GET", "HEAD"}
    owned = one.claim is None or WORLD.installations.get(one.claim) == one.customer
    assert (reason is None) == bool(in_force and sound and owned and one.customer not in one.suspended)


EVERY_ROUTE = st.one_of(
    PRODUCT_PATHS.flatmap(lambda path: PRODUCTS.map(path.format)),
    st.sampled_from([TIMESTAMP, TRUST, LICENCES, MINT, PUT, ENROL]),
)


@given(EVERY_ROUTE, st.sampled_from(["GET", "HEAD", "POST", "PUT"]), st.sampled_from([None, MINE, OTHERS]))
def test_a_suspended_customer_is_never_let_in_and_nobody_else_is_told_so(
    path: str, method: str, claim: str | None
) -> None:
    world = {"suspended": frozenset({"acme"})}
    assert asked(path, method, world=world, claim=claim) in {Reason.SUSPENDED, Reason.METHOD_NOT_ALLOWED}
    assert asked(path, method, world=world, claim=claim, peer=who(name="globex")) is not Reason.SUSPENDED
