"""mirror.memory.fill and .read: the memory says what store, revocation lists and catalogue say, after any change."""

import gc
import json
import resource
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca.issue import Revoked
from mirror import catalogue
from mirror.errors import CatalogueFault, RecordsError, ServeError
from mirror.memory import fill
from mirror.records import following
from mirror.records.protocol import Changes, Licence, Records
from spot_client.wire import installation
from tests.ca.house import NOW
from tests.mirror.content.rig import LISTS, LONG_AGO, Mirror, make_index, make_release, sign_catalogue
from tests.mirror.memory.rig import NAMES, Filled, held, suspended, told

TODAY = NOW.date()
NEW = Licence("acme", "tools", ("beta",), LONG_AGO, None, 7)


def new_id(number: object) -> str:
    return installation.mint(sha256(str(number).encode()).digest()[: installation.ID_BYTES])


def mint(records: Records, number: object, customer: str = "acme") -> str:
    return records.mint(customer, str(number).encode(), partial(new_id, number), NOW).id


# the store


def test_a_memory_begins_with_all_that_is_there(mirror: Mirror) -> None:
    with mirror.records() as records:
        records.suspend("globex", "", NOW)
        ids = {mint(records, number, name) for number, name in enumerate(("acme", "acme", "globex"))}
        filled = Filled(mirror, records)
        view = filled.view()
        of_store, of_view = told(records, view, ids)
        assert of_view == of_store
        assert held(view, "retired") == tuple(records.licences("retired"))
        assert suspended(view, "globex")
        assert not suspended(view, "acme")
        filled.close()


@pytest.mark.parametrize("name", ["", "nobody", "ACME", "acme\0", "\udc80", "a" * 10_000, None, 7, b"acme"])
def test_what_is_not_there_is_not_found_whatever_it_is_called(filled: Filled, name: str) -> None:
    view = filled.view()
    if isinstance(name, str):
        assert view.holders.get(name) is None
        assert view.installations.get(name) is None
        assert view.catalogue.release(name, name, name, name) is None
        assert name not in view.catalogue.ever_published(name, name)
        assert name not in view.catalogue.ever_published("sdk", "botocore")


OPERATIONS: dict[str, Callable[[Records, str, int], object]] = {
    "add": lambda records, name, _: records.add_customer(name, NOW),
    "grant": lambda records, name, n: records.grant(Licence(name, f"p{n % 3}", ("stable",), LONG_AGO, None, n + 1)),
    "end": lambda records, name, n: records.end_licence(name, f"p{n % 3}", TODAY - timedelta(days=n)),
    "vanish": lambda records, name, n: records.end_licence(name, f"p{n % 3}", LONG_AGO - timedelta(days=1)),
    "suspend": lambda records, name, _: records.suspend(name, "", NOW),
    "resume": lambda records, name, _: records.resume(name),
    "remove": lambda records, name, _: (records.suspend(name, "", NOW), records.remove_customer(name, TODAY)),
    "change": lambda records, name, _: records.change(lambda _c, _l: Changes(add=(f"{name}-2",)), NOW),
}
steps = st.tuples(st.sampled_from([*OPERATIONS, "mint", "mint", "look"]), st.sampled_from(NAMES), st.integers(0, 9))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(steps, max_size=25))
def test_after_any_changes_it_says_what_the_store_says(filled: Filled, taken: list[tuple[str, str, int]]) -> None:
    records = filled.records
    ids = {one.id for one in records.installations()}
    for operation, name, number in taken:
        try:
            match operation:
                case "look":
                    filled.refresh()
                case "mint":
                    ids.add(mint(records, (name, number, len(ids)), name))
                case _:
                    OPERATIONS[operation](records, name, number)
        except RecordsError:
            pass  # refused, and nothing changed
    filled.refresh()
    of_store, of_view = told(records, filled.view(), ids)
    assert of_view == of_store
    assert filled.refresh() is False


def test_one_who_comes_again_under_a_name_has_nothing_of_the_older_one(filled: Filled) -> None:
    records = filled.records
    records.add_customer("initech", NOW)
    old = mint(records, 1, "initech")
    filled.refresh()
    records.remove_customer("initech", TODAY)
    records.add_customer("initech", NOW)
    new = mint(records, 2, "initech")
    filled.refresh()
    view = filled.view()
    assert (view.installations.get(old), view.installations.get(new)) == (None, "initech")


def test_what_was_minted_is_known_without_a_look_at_the_rest(filled: Filled) -> None:
    minted = mint(filled.records, 1)
    assert filled.view().installations.get(minted) is None
    assert filled.filler.follow(datetime.now(UTC))
    assert filled.view().installations.get(minted) == "acme"


def test_a_follower_that_is_too_far_behind_reads_all_customers_again(
    filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "KEPT", 3)
    records = filled.records
    minted = mint(records, 1)
    for number in range(5):
        records.add_customer(f"more-{number}", NOW)
    records.remove_customer("retired", TODAY)
    assert records.changes(0).customers is None
    filled.refresh()
    of_store, of_view = told(records, filled.view(), {minted})
    assert of_view == of_store


def test_more_than_a_page_of_everything_is_read(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fill, "_HOLDERS", 2)
    monkeypatch.setattr(fill, "_MINTED", 2)
    ids = {mint(filled.records, number) for number in range(5)}
    again = Filled(filled.mirror, filled.records)
    of_store, of_view = told(filled.records, again.view(), ids)
    assert of_view == of_store
    again.close()


# one moment


def test_a_view_sees_nothing_of_what_comes_after_it(filled: Filled) -> None:
    before = filled.view()
    filled.records.grant(NEW)
    filled.records.suspend("globex", "", NOW)
    filled.refresh()
    after = filled.view()
    assert NEW not in held(before, "acme")
    assert not suspended(before, "globex")
    assert NEW in held(after, "acme")
    assert suspended(after, "globex")


def test_views_that_nobody_holds_any_more_take_no_room(filled: Filled) -> None:
    size = filled.place.folder / "data.mdb"
    sizes = []
    for number in range(300):
        filled.records.grant(Licence("acme", f"p{number % 10}", ("stable",), LONG_AGO, None, number + 1))
        filled.refresh()
        view = filled.view()
        assert held(view, "acme")
        sizes.append(size.stat().st_size)
    del view
    gc.collect()
    assert sizes[-1] == sizes[0]


OTHER = """
import json, pathlib, sys
from mirror.memory import place
from mirror.memory.read import Reader
reader = Reader(place.open_to_read(pathlib.Path(sys.argv[1])))
view = reader.view()
for line in sys.stdin:
    if line == "renew\\n":
        view = reader.view()
    lines = view.holders.get("acme").licences
    print(json.dumps([[one.product for one in lines], view.catalogue.version, len(view.revocations)]), flush=True)
"""


@pytest.mark.slow
def test_another_process_reads_it_and_sees_a_change_when_it_looks_again(filled: Filled) -> None:
    command = [sys.executable, "-c", OTHER, str(filled.place.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        to, back = process.stdin, process.stdout
        assert to is not None
        assert back is not None

        def ask(word: str) -> list[object]:
            to.write(f"{word}\n")
            to.flush()
            answer: list[object] = json.loads(back.readline())
            return answer

        assert ask("look") == [["sdk"], 1, 1]
        filled.records.grant(NEW)
        filled.refresh()
        assert ask("look") == [["sdk"], 1, 1]
        assert ask("renew") == [["sdk", "tools"], 1, 1]
        process.kill()
    for number in range(5):  # what a killed reader held is free again
        filled.records.grant(Licence("acme", f"p{number}", ("stable",), LONG_AGO, None, 1))
        filled.refresh()
    assert "no active readers" in filled.opened.environment.readers()


# revocation lists


def serials(filled: Filled, asked: list[int]) -> list[int]:
    (crl,) = filled.view().revocations.values()
    return [serial for serial in asked if serial in crl.serials]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(lists=st.lists(st.sets(st.integers(1, 2**159 - 1) | st.integers(1, 30), max_size=20), min_size=1, max_size=4))
def test_what_is_revoked_is_what_the_newest_list_says(filled: Filled, lists: list[set[int]]) -> None:
    mirror, everybody = filled.mirror, sorted(set().union(*lists))
    for revoked in lists:
        mirror.serial_of_crl += 1
        entries = [Revoked(serial, NOW, "unspecified") for serial in revoked]
        mirror.put_crl(mirror.house.issuing.issuer, entries, mirror.serial_of_crl)
        assert filled.refresh()
        assert serials(filled, everybody) == sorted(revoked)
        (view,) = filled.view().revocations.values()
        assert view.number == mirror.serial_of_crl
    assert serials(filled, [0, -1, 2**4000, *everybody]) == sorted(lists[-1])


def test_a_bad_list_changes_nothing_and_is_told_of(filled: Filled) -> None:
    party = filled.mirror.party()
    filled.mirror.revoke(party)
    filled.refresh()
    (filled.mirror.folder / "issuing.crl").write_bytes(b"not a CRL")
    assert filled.refresh() is False
    assert serials(filled, [party.certificate.serial_number]) != []
    assert "the last good one stays" in filled.said.getvalue()
    assert filled.said.getvalue().count("took a new revocation list") == 1


def test_without_a_list_of_an_issuing_ca_nothing_begins(mirror: Mirror) -> None:
    with mirror.records() as records:
        filled = Filled(mirror, records)
        filled.sources = fill.Sources(
            issuers=filled.sources.issuers,
            crls=[],
            pushed=mirror.data / "crls",
            records=records,
            catalogue=mirror.data,
            load=catalogue.load,
        )
        with pytest.raises(ServeError) as caught:
            fill.Filler(filled.opened, filled.sources, NOW, filled.filler._log)
        assert caught.value.reason == "no-crl"
        filled.close()


# the catalogue


def test_a_catalogue_is_there_as_far_as_requests_need_it(filled: Filled) -> None:
    view, loaded = filled.view().catalogue, catalogue.load(filled.mirror.data / "catalogue")
    assert (view.version, view.current, view.expires) == (loaded.version, loaded.current, loaded.expires)
    offered, release = (
        view.release("sdk", "botocore", "1.40.0", "any"),
        loaded.release("sdk", "botocore", "1.40.0", "any"),
    )
    assert offered is not None
    assert release is not None
    assert (offered.manifest, offered.channels) == (release.manifest, release.channels)
    ever = view.ever_published("sdk", "botocore")
    assert [version for version in ("1.39.0", "1.40.0", "1.41.0", "1.40.0\0any") if version in ever] == [
        "1.39.0",
        "1.40.0",
    ]
    assert view.release("sdk", "botocore", "1.39.0", "any") is None
    assert filled.view().timestamp == (filled.mirror.data / "catalogue/timestamp.json").read_bytes()


def test_a_new_catalogue_replaces_what_it_replaces_and_keeps_the_rest(filled: Filled) -> None:
    mirror = filled.mirror
    newer = make_release(mirror.data, "sdk/botocore", "1.41.0", b"newer")
    indexes = [make_index("sdk/botocore", [newer], ["1.39.0", "1.40.0"]), make_index("sdk/docs", [])]
    sign_catalogue(mirror.data / "catalogue", indexes, 2, mirror.signer, LISTS)
    assert filled.refresh()
    view = filled.view().catalogue
    assert view.version == 2
    found = {version for version in ("1.39.0", "1.40.0", "1.41.0") if view.release("sdk", "botocore", version, "any")}
    assert found == {"1.41.0"}
    assert "1.40.0" in view.ever_published("sdk", "botocore")
    assert view.release("science", "numpy", "2.2.5", "any") is None
    assert "2.2.5" not in view.ever_published("science", "numpy")
    sign_catalogue(mirror.data / "catalogue", mirror.indexes, 3, mirror.signer, LISTS)
    assert filled.refresh()
    view = filled.view().catalogue
    assert view.release("science", "numpy", "2.2.5", "any") is not None
    assert view.release("sdk", "botocore", "1.41.0", "any") is None


def test_what_is_signed_as_before_is_neither_read_nor_kept_twice(filled: Filled) -> None:
    mirror = filled.mirror
    for file in (mirror.data / "catalogue/targets/science").rglob("*"):
        if file.is_file():
            file.unlink()
    sign_catalogue(mirror.data / "catalogue", mirror.indexes[:1], 2, mirror.signer, LISTS)
    kept = filled.filler._offered.value.catalogue
    assert kept.indexes == {}
    assert all(not getattr(part.content, "releases", ()) for part in kept.parts.values())


def test_a_damaged_catalogue_changes_nothing_and_is_told_of(filled: Filled) -> None:
    (filled.mirror.data / "catalogue/timestamp.json").write_bytes(b"{}")
    assert filled.refresh() is False
    assert filled.view().catalogue.version == 1
    assert "the last good one stays" in filled.said.getvalue()


def test_a_catalogue_that_is_replaced_while_it_is_read_is_read_again(filled: Filled) -> None:
    mirror, real = filled.mirror, filled.sources.load

    def load(folder: object, previous: catalogue.Catalogue | None) -> catalogue.Catalogue:
        found = real(mirror.data / "catalogue", previous)
        sign_catalogue(mirror.data / "catalogue", mirror.indexes, found.version + 1, mirror.signer, LISTS)
        return found

    sources = fill.Sources(
        issuers=filled.sources.issuers,
        crls=filled.sources.crls,
        pushed=filled.sources.pushed,
        records=filled.records,
        catalogue=filled.sources.catalogue,
        load=load,
    )
    with pytest.raises(CatalogueFault) as caught:
        fill.Filler(filled.opened, sources, NOW, filled.filler._log)
    assert caught.value.reason == "changing"


# no room


@pytest.mark.slow
def test_without_room_a_revocation_still_gets_in_and_the_rest_when_there_is_room_again(filled: Filled) -> None:
    """A limit on the size of files is what a full disk is to the memory: a write beyond its end fails."""
    records, party = filled.records, filled.mirror.party()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    names = tuple(f"customer-{number}" for number in range(500))
    long = tuple(f"{number:063}" for number in range(16))  # channels: a licence of a KiB
    granted = tuple(Licence(name, f"p{n}", long, LONG_AGO, None, 9) for name in names for n in range(15))
    records.change(lambda _customers, _licences: Changes(add=names, grant=granted), NOW)
    resource.setrlimit(resource.RLIMIT_FSIZE, ((filled.place.folder / "data.mdb").stat().st_size, before[1]))
    try:
        filled.mirror.revoke(party)
        assert filled.refresh(), filled.said.getvalue()
        assert serials(filled, [party.certificate.serial_number]) != []
        view = filled.view()
        assert [view.holders.get(name) is not None for name in (names[0], "acme")] == [False, True]
        assert "memory-full" in filled.said.getvalue()
        filled.mirror.revoke()
        assert filled.refresh()
        assert serials(filled, [party.certificate.serial_number]) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert filled.filler.refresh(datetime.now(UTC) + timedelta(minutes=1))
    assert filled.view().count == len(records.customers())
