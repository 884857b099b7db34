"""What changes outside binds within about a second, on open connections; what is bad outside changes nothing."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from ca.issue import Revoked
from mirror.records.protocol import Licence
from tests.ca.house import NOW, House
from tests.mirror.content.rig import LONG_AGO, Mirror

PACK = "/releases/sdk/botocore/1.40.0/any/pack"


@pytest.mark.slow
def test_a_client_is_revoked_on_its_open_connection_which_then_ends(own: Mirror) -> None:
    party, other = own.party(), own.party()
    acme = own.caller(party)
    assert acme("/licences")[0] == 200
    own.revoke(party)
    own.until(lambda: acme("/licences")[0] == 403)
    status, headers, _ = acme("/licences")
    assert (status, headers["Connection"]) == (403, "close")
    assert acme.reason("/licences") == (403, "revoked")
    assert own.caller(other)("/licences")[0] == 200


@pytest.mark.slow
def test_a_licence_ends_and_begins_on_an_open_connection(own: Mirror) -> None:
    acme = own.caller(own.party())
    assert acme(PACK)[0] == 200
    today = datetime.now(UTC).date()
    with own.records() as records:
        records.end_licence("acme", "sdk", today - timedelta(days=1))
        own.until(lambda: acme(PACK)[0] == 403)
        records.grant(Licence("acme", "sdk", ("stable",), LONG_AGO, today, 1))
        own.until(lambda: acme(PACK)[0] == 200)


@pytest.mark.slow
def test_a_customer_is_suspended_within_a_second_on_its_open_connection(own: Mirror) -> None:
    acme, globex = own.caller(own.party()), own.caller(own.party("globex"))
    assert (acme(PACK)[0], globex(PACK)[0]) == (200, 200)
    with own.records() as records:
        records.suspend("acme", "did not pay", NOW)
        began = time.monotonic()
        own.until(lambda: acme(PACK)[0] == 403)
        assert time.monotonic() - began < 2  # on a busy machine; else within one
        assert acme.reason("/licences") == (403, "suspended")
        assert globex(PACK)[0] == 200
        records.resume("acme")
        own.until(lambda: acme(PACK)[0] == 200)


@pytest.mark.slow
def test_a_release_is_only_for_those_whose_licence_names_a_channel_of_it(own: Mirror) -> None:
    acme = own.caller(own.party())
    with own.records() as records:
        records.grant(Licence("acme", "sdk", ("beta",), LONG_AGO, None, 1))
        own.until(lambda: acme(PACK)[0] == 403)
        assert acme.reason(PACK) == (403, "not-licensed")
        assert acme.reason(PACK.replace("pack", "manifest")) == (403, "not-licensed")
        records.grant(Licence("acme", "sdk", ("beta", "stable"), LONG_AGO, None, 1))
        own.until(lambda: acme(PACK)[0] == 200)


@pytest.mark.slow
def test_a_new_customer_is_let_in(own: Mirror) -> None:
    party = own.party("newcomer")
    assert own.caller(party).reason("/licences") == (403, "unknown-customer")
    with own.records() as records:
        records.add_customer("newcomer", NOW)
    own.until(lambda: own.caller(party)("/licences")[0] == 200)


@pytest.mark.slow
def test_a_bad_crl_is_refused_loudly_and_the_last_good_one_stays(own: Mirror, other_house: House) -> None:
    revoked, acme = own.party(), own.caller(own.party())
    own.revoke(revoked)
    own.until(lambda: own.caller(revoked)("/licences")[0] == 403)
    mine, forger, entries = own.house.issuing.issuer, other_house.issuing.issuer, [Revoked(1, NOW, "unspecified")]
    crl = own.folder / "issuing.crl"
    damages: list[Callable[[], object]] = [
        lambda: crl.write_bytes(b"not a CRL"),
        lambda: own.put_crl(forger, entries, 9),
        lambda: own.put_crl(mine, [], 1),
        lambda: own.put_crl(mine, [], 9, NOW + timedelta(days=1)),
        crl.unlink,
    ]
    for number, damage in enumerate(damages, 1):
        damage()
        own.until(partial(complained, own, number))
        assert own.caller(revoked).reason("/licences") == (403, "revoked")
        assert acme("/licences")[0] == 200
    own.revoke()
    own.until(lambda: own.caller(revoked)("/licences")[0] == 200)
    taken = [json.loads(line) for line in own.stderr().splitlines() if "took a new revocation list" in line]
    assert [(line["level"], line["number"], line["revoked"]) for line in taken] == [
        ("info", own.serial_of_crl - 1, 1),
        ("info", own.serial_of_crl, 0),
    ]
    assert {line["what"] for line in taken} == {str(crl)}


@pytest.mark.slow
def test_a_damaged_store_stops_writing_but_not_reading(own: Mirror) -> None:
    acme = own.caller(own.party())
    assert acme("/installations", "POST")[0] == 201
    for file in own.data.glob("records.sqlite*"):
        file.write_bytes(b"damaged " * 4096)
    assert acme.reason("/installations", "POST") == (503, "unavailable")
    assert acme(PACK)[0] == 200
    assert "Traceback" not in own.stderr()


def complained(mirror: Mirror, times: int) -> bool:
    return mirror.stderr().count("the last good one stays") == times
