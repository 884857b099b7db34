"""From a bundle to an identity: refused whole or taken whole, and the same however often it is repeated."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import msgspec
import pytest

from ca.bundle import MAX_BUNDLE, Bundle, MirrorPins, encode
from ca.profiles import CLIENT
from spot_client import enrol as enrolment
from spot_client.errors import NotReachable, NotTrusted, RefusedLocally
from spot_client.fetch.transport import Transport
from spot_client.state import ComponentState, Identity, Installed, State, Store
from spot_client.wire.sealed import Seal
from tests.ca.house import NOW, REALM, House, client, key_pem, pem_of, sign
from tests.spot_client.vendor import MINTED, Line, Vendor

URL = "https://localhost:8443"


@pytest.fixture
def bundle(house: House, vendor: Vendor) -> Bundle:
    return bundle_of(house, vendor)


def bundle_of(house: House, vendor: Vendor, customer: str = "acme", now: datetime = NOW) -> Bundle:
    party = sign(house.keys["leaf"], client(customer), CLIENT, house.issuing.issuer, now)
    return Bundle(
        realm=REALM,
        customer=customer,
        client_certificate=pem_of(party.certificate).decode(),
        client_key=key_pem(party.key).decode(),
        mirrors=(MirrorPins(URL, (pem_of(house.server.certificate).decode(),)),),
        catalogue_root=vendor.root.decode(),
    )


Enrol = Callable[..., Identity]


@pytest.fixture
def enrol(store: Store, line: Line) -> Enrol:
    def run(bundle: Bundle, request: str = "r" * 32, *, force: bool = False) -> Identity:
        return enrolment.enrol(store, bundle, request=request, connect=lambda _: cast("Transport", line), force=force)

    return run


def refused(path: Path) -> RefusedLocally:
    with pytest.raises(RefusedLocally) as failed:
        enrolment.read_bundle(path)
    assert str(path) in str(failed.value)
    return failed.value


def test_a_bundle_is_read_whole(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "b").write_bytes(encode(bundle))
    assert enrolment.read_bundle(tmp_path / "b") == bundle


def test_a_bundle_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    assert refused(tmp_path / "none").reason == "missing-file"
    assert refused(tmp_path).reason == "missing-file"


@pytest.mark.parametrize("raw", [b"", b"{}", b"\0" * 100, b"[" * 100_000, b" " * (MAX_BUNDLE + 1)])
def test_a_file_that_is_no_bundle_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "b").write_bytes(raw)
    assert refused(tmp_path / "b").reason == "bad-bundle"


def test_a_bundle_of_a_later_format_asks_for_a_newer_spot(tmp_path: Path, bundle: Bundle) -> None:
    (tmp_path / "b").write_bytes(encode(msgspec.structs.replace(bundle, format=2)))
    assert refused(tmp_path / "b").reason == "too-new"


@pytest.mark.parametrize(
    ("needs", "reason"), [("0.1", None), ("99.0", "too-new"), ("x", "bad-bundle"), ("1" * 99, "bad-bundle")]
)
def test_a_bundle_says_which_spot_it_needs(tmp_path: Path, bundle: Bundle, needs: str, reason: str | None) -> None:
    (tmp_path / "b").write_bytes(encode(msgspec.structs.replace(bundle, min_spot=needs)))
    if reason is None:
        assert enrolment.read_bundle(tmp_path / "b").min_spot == needs
    else:
        assert refused(tmp_path / "b").reason == reason


@pytest.mark.parametrize("change", [{"realm": "other.example.com"}, {"customer": "globex"}])
def test_a_bundle_whose_certificate_is_of_another_realm_or_customer_is_refused(
    tmp_path: Path, bundle: Bundle, change: dict[str, str]
) -> None:
    (tmp_path / "b").write_bytes(encode(msgspec.structs.replace(bundle, **change)))
    assert refused(tmp_path / "b").reason == "bundle-mismatch"


def test_an_enrolment_writes_everything_for_its_owner_only_and_gets_an_id(
    enrol: Enrol, bundle: Bundle, store: Store, line: Line
) -> None:
    identity = enrol(bundle)
    assert identity == store.enrolled()
    assert (identity.realm, identity.customer, identity.installation) == (REALM, "acme", MINTED)
    assert identity.mirrors[0].url == URL
    assert line.posted == [{"Idempotency-Key": "r" * 32}]
    assert store.root.read_text() == bundle.catalogue_root
    assert bundle.client_key.strip() in store.credentials.read_text()
    assert bundle.client_certificate.strip() in store.credentials.read_text()
    assert {path.stat().st_mode & 0o777 for path in store.paths.own.iterdir()} == {0o600}


def test_a_root_of_trust_that_an_unfinished_enrolment_left_is_replaced(
    enrol: Enrol, bundle: Bundle, store: Store
) -> None:
    """It may be that of another vendor, whose bundle was tried first."""
    store.root.write_text("left behind")
    enrol(bundle)
    assert store.root.read_text() == bundle.catalogue_root


@pytest.mark.parametrize("root", ['{"signed":{"_type":"root"}}', ""])
def test_a_bundle_whose_root_of_trust_is_none_is_refused(
    enrol: Enrol, bundle: Bundle, store: Store, vendor: Vendor, root: str
) -> None:
    unsigned = json.loads(vendor.root)
    unsigned["signatures"] = []
    for text in (root, json.dumps(unsigned)):
        with pytest.raises(RefusedLocally) as failed:
            enrol(msgspec.structs.replace(bundle, catalogue_root=text))
        assert failed.value.reason == "bad-bundle"
    assert not store.root.exists()


def test_an_enrolment_that_was_interrupted_goes_on_as_the_same_request(
    enrol: Enrol, bundle: Bundle, store: Store, line: Line
) -> None:
    line.down = True
    with pytest.raises(NotReachable):
        enrol(bundle)
    known = store.identity()
    assert known is not None
    assert (known.request, known.installation) == ("r" * 32, "")
    line.down = False
    assert enrol(bundle, "s" * 32).installation == MINTED
    assert line.posted == [{"Idempotency-Key": "r" * 32}]


def test_a_second_bundle_renews_the_credentials_and_keeps_id_and_what_the_catalogue_taught(
    enrol: Enrol, house: House, vendor: Vendor, store: Store, line: Line
) -> None:
    bundle = bundle_of(house, vendor)
    first = enrol(bundle)
    second = enrol(bundle_of(house, vendor), "s" * 32)
    assert (second.installation, second.request) == (first.installation, first.request)
    assert line.posted == [{"Idempotency-Key": "r" * 32}] * 2  # a mirror that was restored may not know the id
    assert store.root.read_text() == bundle.catalogue_root
    assert bundle.client_certificate not in store.credentials.read_text()


def test_after_each_enrolment_the_thin_snapshot_is_owed(enrol: Enrol, bundle: Bundle, store: Store) -> None:
    enrol(bundle)
    assert not store.state().owed  # nothing is installed
    store.write_state(State(components={"sdk/tool": ComponentState(Installed("1.0", "any", Seal("0" * 64, 1), "1.0"))}))
    enrol(bundle)
    assert store.state().owed


def test_a_second_bundle_is_taken_where_no_mirror_answers(enrol: Enrol, bundle: Bundle, line: Line) -> None:
    first = enrol(bundle)
    line.down = True
    assert enrol(bundle) == first


def test_an_older_bundle_does_not_bring_back_credentials_that_may_be_revoked(
    enrol: Enrol, bundle: Bundle, store: Store, house: House, vendor: Vendor
) -> None:
    newer = bundle_of(house, vendor, now=NOW + timedelta(minutes=1))
    enrol(newer)
    with pytest.raises(RefusedLocally, match="Take the newest bundle") as failed:
        enrol(bundle)
    assert failed.value.reason == "older-bundle"
    assert newer.client_certificate in store.credentials.read_text()
    enrol(newer)
    enrol(bundle, force=True)
    assert bundle.client_certificate in store.credentials.read_text()


@pytest.mark.parametrize("change", [{"realm": "other.example.com"}, {"customer": "globex"}])
def test_a_bundle_of_somebody_else_is_refused_and_changes_nothing(
    enrol: Enrol, bundle: Bundle, store: Store, change: dict[str, str]
) -> None:
    enrol(bundle)
    before = {path.name: path.read_bytes() for path in store.paths.own.iterdir()}
    with pytest.raises(RefusedLocally) as failed:
        enrol(msgspec.structs.replace(bundle, **change))
    assert failed.value.reason == "other-customer"
    assert "--root" in str(failed.value)
    assert {path.name: path.read_bytes() for path in store.paths.own.iterdir()} == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"format":1,"installation":"UPPER","min_spot":"0.1"}',
        b'{"format":1,"installation":"../../../../etc","min_spot":"0.1"}',
        b'{"format":1, "installation":"7k2m9xq40gct31vz","min_spot":"0.1"}',
    ],
)
def test_an_answer_that_is_no_id_is_not_trusted_and_not_kept(
    enrol: Enrol, bundle: Bundle, store: Store, line: Line, body: bytes
) -> None:
    line.minted = body
    with pytest.raises(NotTrusted):
        enrol(bundle)
    known = store.identity()
    assert known is not None
    assert known.installation == ""
