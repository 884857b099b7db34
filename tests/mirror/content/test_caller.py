"""mirror.content.caller: what was judged of a caller holds for one second and one world, and not a moment longer."""

import gc
import weakref
from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest

from ca.identity import Identity, Role
from ca.profiles import SUPPORT
from mirror.content.caller import Caller, caller_of
from mirror.content.moment import moment_of
from mirror.content.policy import Deny, Standing
from mirror.memory.values import Holding
from spot_client.wire.problem import Reason
from tests.ca.house import NOW as ISSUED
from tests.ca.house import House, der_of
from tests.mirror.content.test_policy import CA, CRL, DAY, NOW, PEER, SECOND, WORLD, world_with

NOBODY: Final = b"\x30\x03\x02\x01\x01"


@pytest.fixture
def caller() -> Caller:
    return Caller(PEER, b"", "7", "client", "acme", None, None)


def refused(standing: Standing | Deny) -> Reason | None:
    denial = standing if isinstance(standing, Deny) else standing.denial
    return denial.reason if denial is not None else None


def test_a_caller_holds_no_world(caller: Caller) -> None:
    class Kept:
        """Stands for a transaction of the memory."""

        def get(self, _name: str) -> Holding:
            return Holding((), False)

    kept = Kept()
    world = world_with(holders=kept, number=7)
    caller.judged(world, moment_of(NOW))
    gone = weakref.ref(kept)
    del kept, world
    gc.collect()
    assert gone() is None


def channels(standing: Standing | Deny) -> object:
    assert isinstance(standing, Standing)
    return standing.channels


def test_within_a_second_a_caller_is_judged_once(caller: Caller) -> None:
    moment = moment_of(NOW)
    assert caller.judged(WORLD, moment) is caller.judged(WORLD, moment)
    assert refused(caller.judged(WORLD, moment)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revocations": {CA: msgspec.structs.replace(CRL, serials=frozenset({7}))}}, Reason.REVOKED),
        ({"revocations": {}}, Reason.REVOCATION_UNKNOWN),
        ({"suspended": frozenset({"acme"})}, Reason.SUSPENDED),
        ({"customers": frozenset({"globex"})}, Reason.UNKNOWN_CUSTOMER),
        ({"issuers": {}}, Reason.UNKNOWN_ISSUER),
    ],
)
def test_what_changes_in_the_world_is_seen_by_the_next_request(
    caller: Caller, change: dict[str, Any], reason: Reason
) -> None:
    moment = moment_of(NOW)
    assert refused(caller.judged(WORLD, moment)) is None
    changed = world_with(**change, number=1)
    assert refused(caller.judged(changed, moment)) is reason
    assert refused(caller.judged(WORLD, moment)) is None


def test_a_licence_that_is_gone_is_gone_at_once(caller: Caller) -> None:
    moment = moment_of(NOW)
    assert channels(caller.judged(WORLD, moment)) == {"sdk": frozenset({"stable"})}
    assert channels(caller.judged(world_with(licences={}, number=1), moment)) == {}


def test_what_ends_with_a_second_is_over_in_the_next(caller: Caller) -> None:
    last = NOW + DAY
    assert refused(caller.judged(WORLD, moment_of(last + timedelta(microseconds=999_999)))) is None
    assert refused(caller.judged(WORLD, moment_of(last + SECOND))) is Reason.EXPIRED


def test_requests_that_will_be_denied_are_counted_for_their_customer_all_the_same(caller: Caller) -> None:
    moment = moment_of(NOW)
    assert refused(caller.judged(world_with(revocations={}, number=1), moment)) is Reason.REVOCATION_UNKNOWN
    assert caller.counted_as == "acme"
    caller.judged(world_with(realm="other.example", number=2), moment)
    assert caller.counted_as is None


@pytest.mark.parametrize("der", [None, b"", NOBODY, b"\x30" * 4096])
def test_what_is_no_certificate_names_nobody(der: bytes | None) -> None:
    nobody = caller_of(der)
    assert (nobody.customer, nobody.name, nobody.role) == (None, None, None)
    assert refused(nobody.judged(WORLD, moment_of(NOW))) is Reason.BAD_CERTIFICATE
    assert nobody.counted_as is None


def test_a_certificate_names_a_customer_or_else_who_it_is(house: House) -> None:
    client = caller_of(der_of(house.client.certificate))
    assert (client.role, client.customer, client.name) == ("client", "acme", None)
    assert client.serial == f"{house.client.certificate.serial_number:x}"
    ann = house.leaf(Identity("build.example.com", Role.SUPPORT, "ann"), SUPPORT, ISSUED)
    support = caller_of(der_of(ann.certificate))
    assert (support.role, support.customer, support.name) == ("support", None, "ann")
