"""The protocol of records as tests: every adapter passes them, by a subclass with its own fixture `opener`."""

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import count, groupby
from multiprocessing.connection import Connection
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirror.errors import AlreadyThere, NotThere, RecordsError
from mirror.records.protocol import Changes, Customer, Installation, Licence, Records, Suspension, ThinSnapshot
from mirror.records.told import Holdings, Received
from spot_client.wire import installation
from tests.mirror.records.requests import RequestsContract

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
LICENCE: Final = Licence("acme", "sdk", ("beta", "stable"), date(2026, 1, 1), date(2026, 12, 31), 3)
OLD: Final = {"sdk/botocore": "1.40.0"}
NEW: Final = {"sdk/botocore": "1.40.1", "sdk/docs": "2026.1"}

Opener = Callable[[], Records]
"""Opens the same store again; can be pickled, so that another process may call it."""

_spawning = multiprocessing.get_context("spawn")


def new_id(number: object) -> str:
    return installation.mint(sha256(str(number).encode()).digest()[: installation.ID_BYTES])


def enrol(records: Records, number: object = 0, customer: str = "acme", now: datetime = NOW) -> Installation:
    return records.mint(customer, str(number).encode(), lambda: new_id(number), now)


class RecordsContract(RequestsContract, ABC):
    @pytest.fixture
    @abstractmethod
    def opener(self, tmp_path: object) -> Opener:
        """An opener of a store that was just made."""

    @pytest.fixture
    def records(self, opener: Opener) -> Iterator[Records]:
        with closing(opener()) as records:
            yield records

    @pytest.fixture
    def acme(self, records: Records) -> Records:
        """A store with the customer `acme`."""
        records.add_customer("acme", NOW)
        return records

    # customers

    def test_customers_are_listed_by_name_with_the_second_they_were_added_in(self, records: Records) -> None:
        assert records.customers() == []
        assert records.add_customer("globex", NOW) == Customer("globex", NOW)
        records.add_customer("acme", NOW.replace(microsecond=999_999))
        assert records.customers() == [Customer("acme", NOW), Customer("globex", NOW)]

    def test_a_customer_is_added_once(self, acme: Records) -> None:
        with pytest.raises(AlreadyThere):
            acme.add_customer("acme", NOW + HOUR)
        assert acme.customers() == [Customer("acme", NOW)]

    @pytest.mark.parametrize("name", ["", "Acme", "-acme", "a/b", "acme\n", "a" * 64, "ácme", "\udc80", "' OR 1=1 --"])
    def test_a_customer_is_named_by_an_id(self, records: Records, name: str) -> None:
        with pytest.raises(RecordsError) as caught:
            records.add_customer(name, NOW)
        assert caught.value.reason == "bad-name"
        assert records.customers() == []

    # suspensions

    def test_a_suspension_is_a_state_of_the_customer_until_it_is_resumed(self, acme: Records) -> None:
        acme.grant(LICENCE)
        minted = enrol(acme)
        assert acme.suspend("acme", "invoice 17", NOW.replace(microsecond=1)) == Customer("acme", NOW)
        suspended = Customer("acme", NOW, Suspension(NOW, "invoice 17"))
        assert acme.customers() == [suspended]
        assert (acme.licences(), acme.installations()) == ([LICENCE], [minted])
        assert acme.resume("acme") == suspended
        assert acme.resume("acme") == Customer("acme", NOW)
        assert acme.customers() == [Customer("acme", NOW)]

    def test_a_customer_suspended_again_stays_so_since_it_was(self, acme: Records) -> None:
        acme.suspend("acme", "invoice 17", NOW)
        for reason, kept in (("", "invoice 17"), ("left", "left")):
            assert acme.suspend("acme", reason, NOW + HOUR).suspended is not None
            assert acme.customers() == [Customer("acme", NOW, Suspension(NOW, kept))]
        acme.resume("acme")
        acme.suspend("acme", "", NOW + HOUR)
        assert acme.customers() == [Customer("acme", NOW, Suspension(NOW + HOUR, ""))]

    def test_only_a_customer_is_suspended_resumed_or_removed(self, acme: Records) -> None:
        for call in (
            lambda: acme.suspend("globex", "", NOW),
            lambda: acme.resume("globex"),
            lambda: acme.remove_customer("globex", NOW.date()),
        ):
            with pytest.raises(NotThere):
                call()
        assert acme.customers() == [Customer("acme", NOW)]

    @pytest.mark.parametrize("reason", ["two\nlines", "\x1b[2J", "x" * 201, "\udc80", "\u202e"])
    def test_a_reason_is_one_line_that_can_be_printed(self, acme: Records, reason: str) -> None:
        with pytest.raises(RecordsError) as caught:
            acme.suspend("acme", reason, NOW)
        assert caught.value.reason == "bad-reason"
        assert acme.customers() == [Customer("acme", NOW)]

    # removal

    def test_a_removed_customer_goes_with_all_it_had_and_takes_nothing_of_others(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        for name in ("acme", "globex"):
            for product in ("tools", "sdk"):
                acme.grant(msgspec.structs.replace(LICENCE, customer=name, product=product))
        ours, theirs = [enrol(acme, number) for number in range(3)], enrol(acme, 9, "globex")
        for name in (ours[0].id, ours[0].id, ours[1].id, theirs.id):
            acme.put_thin_snapshot(name, OLD, NOW)
            acme.put_thin_snapshot(name, NEW, NOW)
        acme.suspend("acme", "", NOW)
        before = acme.licences("globex"), acme.installations("globex"), acme.thin_snapshots(theirs.id)
        gone = Holdings(("sdk", "tools"), 3, 6)
        assert acme.remove_customer("acme", NOW.date(), dry_run=True) == gone
        assert len(acme.installations()) == 4
        assert acme.remove_customer("acme", NOW.date()) == gone
        assert acme.customers() == [Customer("globex", NOW)]
        assert (acme.licences(), acme.installations(), acme.thin_snapshots(theirs.id)) == before
        assert [line.installation for line in acme.newest_thin_snapshots()] == [theirs.id]
        assert acme.thin_snapshots(ours[0].id) == []
        with pytest.raises(NotThere):
            acme.put_thin_snapshot(ours[0].id, OLD, NOW)
        with pytest.raises(NotThere):
            enrol(acme)

    def test_one_who_comes_again_under_the_name_of_a_removed_customer_has_nothing_of_its(self, acme: Records) -> None:
        acme.put_thin_snapshot(enrol(acme).id, OLD, NOW)
        acme.remove_customer("acme", NOW.date())
        acme.add_customer("acme", NOW + HOUR)
        assert (acme.licences("acme"), acme.installations("acme"), acme.newest_thin_snapshots()) == ([], [], [])
        assert acme.put_thin_snapshot(enrol(acme).id, NEW, NOW)

    @pytest.mark.parametrize("today", [date(2026, 3, 1), date(2025, 12, 31)], ids=["in force", "to come"])
    def test_a_customer_with_a_licence_is_removed_only_once_it_is_suspended(self, acme: Records, today: date) -> None:
        acme.grant(LICENCE)
        for dry_run in (True, False):
            with pytest.raises(RecordsError) as caught:
                acme.remove_customer("acme", today, dry_run=dry_run)
            assert caught.value.reason == "in-force"
        assert acme.licences() == [LICENCE]
        acme.suspend("acme", "", NOW)
        assert acme.remove_customer("acme", today).products == ("sdk",)

    def test_a_customer_whose_licences_have_ended_is_removed_at_once(self, acme: Records) -> None:
        acme.grant(LICENCE)
        assert acme.remove_customer("acme", date(2027, 1, 1)) == Holdings(("sdk",), 0, 0)
        assert acme.customers() == []

    # several changes at once

    def test_what_is_decided_from_all_that_is_there_is_carried_out(self, acme: Records) -> None:
        acme.grant(LICENCE)
        acme.grant(msgspec.structs.replace(LICENCE, product="old", valid_until=None))
        shown: list[object] = []
        ended = msgspec.structs.replace(LICENCE, product="old", valid_until=date(2026, 2, 28))
        more = msgspec.structs.replace(LICENCE, installations=7)
        new = msgspec.structs.replace(LICENCE, customer="globex")
        wanted = Changes(add=("globex",), grant=(more, new), end=(ended,))

        def decide(customers: object, licences: object) -> Changes:
            shown.extend((customers, licences))
            return wanted

        before = acme.customers(), acme.licences()
        assert acme.change(decide, NOW) is wanted
        assert tuple(shown) == before
        assert acme.customers() == [Customer("acme", NOW), Customer("globex", NOW)]
        assert acme.licences() == [ended, more, new]

    @pytest.mark.parametrize(
        ("last", "error"),
        [
            (Changes(add=("acme",)), AlreadyThere),
            (Changes(grant=(msgspec.structs.replace(LICENCE, installations=0),)), RecordsError),
            (Changes(grant=(msgspec.structs.replace(LICENCE, customer="initech"),)), NotThere),
            (Changes(end=(msgspec.structs.replace(LICENCE, product="tools"),)), NotThere),
        ],
    )
    def test_several_changes_are_all_carried_out_or_none(
        self, acme: Records, last: Changes, error: type[Exception]
    ) -> None:
        before = acme.customers(), acme.licences(), acme.marker()
        changes = Changes(add=("globex", *last.add), grant=(LICENCE, *last.grant), end=last.end)
        with pytest.raises(error):
            acme.change(lambda _customers, _licences: changes, NOW)
        assert (acme.customers(), acme.licences(), acme.marker()) == before

    def test_one_who_cannot_decide_changes_nothing_and_hinders_nobody(self, acme: Records) -> None:
        def decide(_customers: object, _licences: object) -> Changes:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            acme.change(decide, NOW)
        assert acme.grant(LICENCE) is None

    def test_nobody_writes_between_the_decision_and_the_change(self, acme: Records, opener: Opener) -> None:
        with closing(opener()) as other, ThreadPoolExecutor(1) as pool:
            attempts: list[Future[object]] = []

            def decide(_customers: object, licences: Sequence[Licence]) -> Changes:
                attempts.append(pool.submit(other.grant, msgspec.structs.replace(LICENCE, installations=99)))
                with suppress(TimeoutError):
                    attempts[0].result(0.2)
                assert other.licences() == licences
                return Changes(grant=(LICENCE,))

            acme.change(decide, NOW)
            assert attempts[0].result() == LICENCE  # it came after, and replaced what was decided
        assert [line.installations for line in acme.licences()] == [99]

    # licences

    def test_a_licence_is_kept_as_it_was_granted(self, acme: Records) -> None:
        unlimited = msgspec.structs.replace(LICENCE, product="science", valid_until=None)
        assert acme.grant(LICENCE) is None
        assert acme.grant(unlimited) is None
        assert acme.licences() == [unlimited, LICENCE]

    def test_channels_are_kept_sorted_and_once(self, acme: Records) -> None:
        acme.grant(msgspec.structs.replace(LICENCE, channels=("stable", "beta", "stable")))
        assert acme.licences() == [LICENCE]

    def test_a_licence_granted_again_replaces_the_older_one_which_is_returned(self, acme: Records) -> None:
        newer = msgspec.structs.replace(LICENCE, channels=("stable",), installations=9)
        acme.grant(LICENCE)
        assert acme.grant(newer) == LICENCE
        assert acme.licences() == [newer]

    def test_a_licence_needs_a_customer(self, records: Records) -> None:
        with pytest.raises(NotThere):
            records.grant(LICENCE)
        with pytest.raises(NotThere):
            records.end_licence("acme", "sdk", date(2026, 3, 1))
        assert records.licences() == []

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"customer": "Acme"}, "bad-name"),
            ({"product": "SDK"}, "bad-name"),
            ({"product": "targets"}, "bad-name"),
            ({"channels": ("a b",)}, "bad-name"),
            ({"channels": ()}, "bad-licence"),
            ({"valid_until": date(2025, 12, 31)}, "bad-licence"),
            ({"installations": 0}, "bad-licence"),
            ({"installations": 2**63}, "bad-licence"),
        ],
    )
    def test_a_licence_that_cannot_be_is_refused(self, acme: Records, change: dict[str, object], reason: str) -> None:
        with pytest.raises(RecordsError) as caught:
            acme.grant(msgspec.structs.replace(LICENCE, **change))
        assert caught.value.reason == reason
        assert acme.licences() == []

    @pytest.mark.parametrize(
        ("granted", "asked", "kept"),
        [
            (None, date(2026, 6, 30), date(2026, 6, 30)),
            (date(2026, 12, 31), date(2026, 6, 30), date(2026, 6, 30)),
            (date(2026, 2, 28), date(2026, 6, 30), date(2026, 2, 28)),
        ],
        ids=["open", "earlier", "ended-already"],
    )
    def test_ending_a_licence_never_prolongs_it(
        self, acme: Records, granted: date | None, asked: date, kept: date
    ) -> None:
        licence = msgspec.structs.replace(LICENCE, valid_until=granted)
        acme.grant(licence)
        ended = msgspec.structs.replace(licence, valid_until=kept)
        assert acme.end_licence("acme", "sdk", asked) == ended
        assert acme.licences() == [ended]

    def test_a_licence_that_would_end_before_it_begins_is_removed(self, acme: Records) -> None:
        for end in (date(2025, 12, 31), date(2025, 6, 30)):
            acme.grant(LICENCE)
            ended = msgspec.structs.replace(LICENCE, valid_until=end)
            assert acme.end_licence("acme", "sdk", end) == ended
            assert acme.licences() == []
            acme.grant(LICENCE)
            acme.change(partial(_always, Changes(end=(ended,))), NOW)
            assert acme.licences() == []

    def test_a_licence_that_was_never_granted_cannot_end(self, acme: Records) -> None:
        acme.grant(LICENCE)
        with pytest.raises(NotThere):
            acme.end_licence("acme", "science", date(2026, 3, 1))
        assert acme.licences() == [LICENCE]

    def test_licences_are_listed_by_customer_and_product_or_for_one_customer(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        for customer, product in (("globex", "sdk"), ("acme", "sdk"), ("globex", "science")):
            acme.grant(msgspec.structs.replace(LICENCE, customer=customer, product=product))
        every = [("acme", "sdk"), ("globex", "science"), ("globex", "sdk")]
        assert [(line.customer, line.product) for line in acme.licences()] == every
        assert [(line.customer, line.product) for line in acme.licences("globex")] == every[1:]
        assert acme.licences("initech") == []

    # installations

    def test_a_minted_installation_was_seen_at_its_enrolment_and_has_no_versions(self, acme: Records) -> None:
        minted = enrol(acme)
        assert minted == Installation(new_id(0), "acme", NOW, NOW, None)
        assert acme.installation(minted.id) == minted
        assert acme.installation(new_id(1)) is None

    def test_the_same_request_of_the_same_customer_gets_the_same_installation(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        first = acme.mint("acme", b"request", lambda: new_id(1), NOW)
        assert acme.mint("acme", b"request", lambda: new_id(2), NOW + HOUR) == first
        assert acme.mint("globex", b"request", lambda: new_id(3), NOW).id == new_id(3)
        assert acme.mint("acme", b"other request", lambda: new_id(4), NOW).id == new_id(4)

    def test_no_two_installations_have_the_same_short_form(self, acme: Records) -> None:
        taken = enrol(acme).id
        alike = taken[:8] + new_id(1)[8:]
        draws = iter([taken, alike, new_id(2)])
        second = acme.mint("acme", b"second", lambda: next(draws), NOW)
        assert second.id == new_id(2)

    def test_a_source_that_always_draws_the_same_is_given_up(self, acme: Records) -> None:
        taken = enrol(acme)
        with pytest.raises(RecordsError) as caught:
            acme.mint("acme", b"second", lambda: taken.id, NOW)
        assert caught.value.reason == "no-free-id"
        assert acme.installations() == [taken]

    @pytest.mark.parametrize("drawn", ["", "short", "UPPERCASEUPPERCA", new_id(0) + "\n", "o" * 16])
    def test_what_is_drawn_has_to_be_an_id(self, acme: Records, drawn: str) -> None:
        with pytest.raises(RecordsError):
            acme.mint("acme", b"request", lambda: drawn, NOW)
        assert acme.installations() == []

    def test_only_a_customer_gets_an_installation(self, records: Records) -> None:
        with pytest.raises(NotThere):
            enrol(records)
        assert records.installations() == []

    def test_installations_are_listed_by_customer_and_id_and_found_by_a_beginning(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        ours = sorted(enrol(acme, number).id for number in range(20))
        theirs = sorted(enrol(acme, number, "globex").id for number in range(20, 40))
        assert [line.id for line in acme.installations()] == ours + theirs
        assert [line.id for line in acme.installations("globex")] == theirs
        for prefix in (ours[0][:1], ours[0][:2], ours[0]):
            begin_so = [name for name in ours if name.startswith(prefix)]
            assert [line.id for line in acme.installations("acme", prefix)] == begin_so
        assert acme.installations(prefix=ours[0] + "0") == []

    def test_installations_of_a_customer_are_read_page_by_page(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        names = sorted(enrol(acme, number).id for number in range(7))
        enrol(acme, 9, "globex")
        pages: list[list[str]] = [[""]]
        while pages[-1]:
            pages.append([line.id for line in acme.installations("acme", after=pages[-1][-1], limit=3)])
        assert pages[1:] == [names[:3], names[3:6], names[6:], []]
        assert [line.id for line in acme.installations("acme", names[2][:8], after=names[1])] == [names[2]]

    def test_last_seen_moves_forward_and_never_back(self, acme: Records) -> None:
        first, second = enrol(acme, 1), enrol(acme, 2)
        acme.seen({first.id: NOW + HOUR, second.id: NOW - HOUR, new_id("unknown"): NOW})
        acme.seen({first.id: NOW})
        acme.seen({})
        assert acme.installation(first.id) == msgspec.structs.replace(first, last_seen=NOW + HOUR)
        assert acme.installation(second.id) == second
        assert len(acme.installations()) == 2

    # thin snapshots

    def test_the_same_versions_again_only_move_the_end_of_their_line(self, acme: Records) -> None:
        name = enrol(acme).id
        assert acme.put_thin_snapshot(name, OLD, NOW)
        assert not acme.put_thin_snapshot(name, OLD, NOW + HOUR)
        assert acme.thin_snapshots(name) == [ThinSnapshot(name, OLD, NOW, NOW + HOUR)]

    def test_history_is_told_newest_first_and_versions_that_come_back_are_a_new_line(self, acme: Records) -> None:
        name = enrol(acme).id
        for hours, components in enumerate((OLD, NEW, OLD, {})):
            assert acme.put_thin_snapshot(name, components, NOW + hours * HOUR)
        lines = [
            ThinSnapshot(name, components, NOW + hours * HOUR, NOW + hours * HOUR)
            for hours, components in ((3, {}), (2, OLD), (1, NEW), (0, OLD))
        ]
        assert acme.thin_snapshots(name) == lines
        assert acme.thin_snapshots(name, 2) == lines[:2]
        assert acme.thin_snapshots(new_id("unknown")) == []

    def test_a_thin_snapshot_sets_both_clocks_of_its_installation(self, acme: Records) -> None:
        minted = enrol(acme)
        acme.put_thin_snapshot(minted.id, OLD, NOW + HOUR)
        acme.seen({minted.id: NOW + 2 * HOUR})
        expected = Installation(minted.id, "acme", NOW, NOW + 2 * HOUR, NOW + HOUR)
        assert acme.installation(minted.id) == expected
        assert acme.installations() == [expected]

    def test_a_clock_that_goes_back_takes_no_line_back(self, acme: Records) -> None:
        name = enrol(acme).id
        acme.put_thin_snapshot(name, OLD, NOW + HOUR)
        acme.put_thin_snapshot(name, OLD, NOW)
        assert acme.thin_snapshots(name) == [ThinSnapshot(name, OLD, NOW + HOUR, NOW + HOUR)]
        acme.put_thin_snapshot(name, NEW, NOW)
        assert [line.components for line in acme.thin_snapshots(name)] == [NEW, OLD]

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(sent=st.lists(st.sampled_from([OLD, NEW, {}]), max_size=8))
    def test_history_is_the_runs_of_equal_versions(self, records: Records, sent: list[dict[str, str]]) -> None:
        if not records.customers():
            records.add_customer("acme", NOW)
        name = enrol(records, len(records.installations())).id
        moments = (NOW + number * HOUR for number in count())
        runs = [list(run) for _, run in groupby(zip(sent, moments, strict=False), key=lambda pair: pair[0])]
        for components, moment in (pair for run in runs for pair in run):
            records.put_thin_snapshot(name, components, moment)
        lines = [ThinSnapshot(name, run[0][0], run[0][1], run[-1][1]) for run in reversed(runs)]
        assert records.thin_snapshots(name) == lines

    def test_only_an_installation_has_thin_snapshots(self, acme: Records) -> None:
        with pytest.raises(NotThere):
            acme.put_thin_snapshot(new_id(0), OLD, NOW)
        assert acme.newest_thin_snapshots() == []

    @pytest.mark.parametrize(
        "components",
        [
            {"botocore": "1.0"},
            {"sdk/boto core": "1.0"},
            {"sdk/botocore": "newest"},
            {"sdk/botocore": "1.0-rc1"},
            {"host": "10.0.0.1"},
            {f"sdk/c{number}": "1.0" for number in range(5000)},
        ],
        ids=["no-product", "no-id", "no-version", "other-spelling", "no-component", "too-large"],
    )
    def test_nothing_is_stored_that_is_not_a_thin_snapshot(self, acme: Records, components: dict[str, str]) -> None:
        name = enrol(acme).id
        with pytest.raises(RecordsError):
            acme.put_thin_snapshot(name, components, NOW)
        assert acme.thin_snapshots(name) == []

    def test_the_newest_line_of_every_installation_is_listed_by_id(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        ours, theirs, silent = enrol(acme, 1).id, enrol(acme, 2, "globex").id, enrol(acme, 3).id
        for name in (ours, theirs):
            acme.put_thin_snapshot(name, OLD, NOW)
            acme.put_thin_snapshot(name, NEW, NOW + HOUR)
        lines = [ThinSnapshot(name, NEW, NOW + HOUR, NOW + HOUR) for name in sorted((ours, theirs))]
        assert acme.newest_thin_snapshots() == lines
        assert [line.installation for line in acme.newest_thin_snapshots("globex")] == [theirs]
        assert silent not in {line.installation for line in acme.newest_thin_snapshots("acme")}

    # the marker

    def test_the_marker_moves_with_customers_licences_and_installations_and_with_nothing_else(
        self, records: Records
    ) -> None:
        marks = [records.marker()]
        changes: list[Callable[[], object]] = [
            lambda: records.add_customer("acme", NOW),
            lambda: records.grant(LICENCE),
            lambda: records.end_licence("acme", "sdk", date(2026, 6, 30)),
            lambda: enrol(records),
            lambda: records.suspend("acme", "", NOW),
            lambda: records.resume("acme"),
            lambda: records.remove_customer("acme", date(2026, 7, 1)),
            lambda: records.change(lambda _customers, _licences: Changes(add=("acme",)), NOW),
            lambda: enrol(records),
        ]
        for change in changes:
            change()
            marks.append(records.marker())
        assert len(set(marks)) == len(marks)
        enrol(records)
        records.seen({new_id(0): NOW + HOUR})
        records.put_thin_snapshot(new_id(0), OLD, NOW)
        records.change(lambda _customers, _licences: Changes(), NOW)
        records.remove_customer("acme", NOW.date(), dry_run=True)
        with pytest.raises(AlreadyThere):
            records.add_customer("acme", NOW)
        assert records.marker() == marks[-1]

    def test_the_marker_tells_of_changes_that_others_make(self, acme: Records, opener: Opener) -> None:
        before = acme.marker()
        with closing(opener()) as other:
            other.grant(LICENCE)
        assert acme.marker() != before
        assert acme.licences() == [LICENCE]

    # following

    def test_a_follower_is_told_whose_customer_or_licences_changed_and_by_number_what_was_minted(
        self, records: Records
    ) -> None:
        changes: list[tuple[Callable[[], object], tuple[str, ...]]] = [
            (lambda: records.add_customer("acme", NOW), ("acme",)),
            (lambda: records.grant(LICENCE), ("acme",)),
            (lambda: records.end_licence("acme", "sdk", date(2026, 6, 30)), ("acme",)),
            (lambda: records.suspend("acme", "", NOW), ("acme",)),
            (lambda: records.resume("acme"), ("acme",)),
            (lambda: enrol(records), ()),
            (lambda: records.change(partial(_always, Changes(add=("globex", "initech"))), NOW), ("globex", "initech")),
            (lambda: records.remove_customer("globex", NOW.date()), ("globex",)),
            (lambda: records.remove_customer("initech", NOW.date(), dry_run=True), ()),
            (lambda: records.change(lambda _customers, _licences: Changes(), NOW), ()),
        ]
        since = records.changes(records.marker()).number
        for change, names in changes:
            change()
            told = records.changes(since)
            assert told.customers == names
            since = told.number
            assert since == records.marker()
        assert records.changes(since).customers == ()

    def test_a_follower_that_knows_nothing_or_comes_from_elsewhere_is_told_of_all(self, acme: Records) -> None:
        assert acme.changes(0).customers in {("acme",), None}
        assert acme.changes(acme.marker() + 1).customers is None

    def test_a_follower_too_far_behind_is_told_to_read_all(self, acme: Records) -> None:
        since = acme.marker()
        names = tuple(f"customer-{number}" for number in range(20_000))
        acme.change(partial(_always, Changes(add=names)), NOW)
        told = acme.changes(since)
        assert told.customers is None
        assert acme.changes(told.number).customers == ()

    def test_holders_are_customers_with_their_licences_page_by_page(self, acme: Records) -> None:
        acme.add_customer("globex", NOW)
        acme.add_customer("initech", NOW)
        acme.grant(LICENCE)
        acme.grant(msgspec.structs.replace(LICENCE, product="tools"))
        acme.suspend("globex", "unpaid", NOW)
        first, second = acme.holders("", 2), acme.holders("globex", 2)
        assert [one.customer for one in (*first, *second)] == acme.customers()
        assert [one.licences for one in first] == [tuple(acme.licences()), ()]
        assert acme.holders("initech", 2) == []
        assert [acme.holder(one.customer.name) for one in (*first, *second)] == [*first, *second]
        assert acme.holder("nobody") is None

    def test_installations_are_followed_in_the_order_of_minting_with_the_number_of_their_holder(
        self, acme: Records
    ) -> None:
        acme.add_customer("globex", NOW)
        owners = ("acme", "globex", "acme", "globex", "globex")
        ids = [enrol(acme, number, owner).id for number, owner in enumerate(owners)]
        holders = {one.number: one.customer.name for one in acme.holders("", 10)}
        first = acme.minted(0, 3)
        second = acme.minted(first[-1].number, 3)
        assert [one.id for one in (*first, *second)] == ids
        assert [holders[one.holder] for one in (*first, *second)] == list(owners)
        assert acme.minted(second[-1].number, 3) == []

    def test_no_number_is_given_twice_not_even_after_the_newest_was_removed(self, acme: Records) -> None:
        holders: set[int] = set()
        numbers: list[int] = []
        for _ in range(3):
            acme.add_customer("globex", NOW)
            holder = acme.holder("globex")
            assert holder is not None
            enrol(acme, 1, "globex")
            minted = acme.minted(numbers[-1] if numbers else 0, 10)
            assert [one.holder for one in minted] == [holder.number]
            holders.add(holder.number)
            numbers.append(minted[-1].number)
            acme.remove_customer("globex", NOW.date())
        assert len(holders) == 3
        assert numbers == sorted(set(numbers))

    # several thin snapshots at once

    def test_several_thin_snapshots_are_stored_at_once_each_with_its_own_outcome(self, acme: Records) -> None:
        one, two = enrol(acme, 1).id, enrol(acme, 2).id
        acme.put_thin_snapshot(one, OLD, NOW)
        found = acme.put_thin_snapshots(
            [
                Received(one, OLD, NOW + HOUR),
                Received(new_id("nobody's"), OLD, NOW),
                Received(two, {"no component": "1.0"}, NOW),
                Received(two, OLD, NOW),
                Received(one, NEW, NOW + 2 * HOUR),
                Received(one, NEW, NOW + 3 * HOUR),
            ]
        )
        refusals = [outcome.reason for outcome in found if isinstance(outcome, RecordsError)]
        assert [outcome for outcome in found if isinstance(outcome, bool)] == [False, True, True, False]
        assert refusals == ["no-installation", "bad-name"]
        assert isinstance(found[1], NotThere)
        assert acme.thin_snapshots(two) == [ThinSnapshot(two, OLD, NOW, NOW)]
        assert acme.thin_snapshots(one) == [
            ThinSnapshot(one, NEW, NOW + 2 * HOUR, NOW + 3 * HOUR),
            ThinSnapshot(one, OLD, NOW, NOW + HOUR),
        ]
        assert acme.put_thin_snapshots([]) == []

    # durability, and many at once

    def test_a_restart_loses_nothing(self, opener: Opener) -> None:
        with closing(opener()) as records:
            records.add_customer("acme", NOW)
            records.grant(LICENCE)
            minted = enrol(records)
            records.put_thin_snapshot(minted.id, OLD, NOW)
            records.seen({minted.id: NOW + HOUR})
            records.suspend("acme", "invoice 17", NOW)
            marker = records.marker()
        with closing(opener()) as records:
            assert records.customers() == [Customer("acme", NOW, Suspension(NOW, "invoice 17"))]
            assert records.licences() == [LICENCE]
            assert records.installations() == [Installation(minted.id, "acme", NOW, NOW + HOUR, NOW)]
            assert records.thin_snapshots(minted.id) == [ThinSnapshot(minted.id, OLD, NOW, NOW)]
            assert records.marker() == marker

    def test_threads_may_write_at_once(self, acme: Records) -> None:
        with ThreadPoolExecutor(4) as pool:
            repeated = list(pool.map(lambda number: acme.mint("acme", b"same", lambda: new_id(number), NOW), range(20)))
            futures = [pool.submit(_enrol_and_put, acme, str(number)) for number in range(4)]
            for future in futures:
                future.result()
        assert len({minted.id for minted in repeated}) == 1
        assert len(acme.installations()) == 1 + 4 * _EACH
        assert len(acme.newest_thin_snapshots()) == 4 * _EACH

    def test_processes_may_write_at_once(self, acme: Records, opener: Opener) -> None:
        processes = [_spawning.Process(target=_write_in_a_process, args=(opener, name)) for name in ("a", "b")]
        for process in processes:
            process.start()
        _enrol_and_put(acme, "c")
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert len(acme.installations()) == 3 * _EACH
        assert len(acme.newest_thin_snapshots()) == 3 * _EACH

    def test_a_process_killed_in_the_middle_of_a_write_leaves_nothing_of_it(
        self, acme: Records, opener: Opener
    ) -> None:
        minted = [enrol(acme, number) for number in range(3)]
        moments = {line.id: NOW + HOUR for line in minted}
        process = _spawning.Process(target=_seen_in_a_process, args=(opener, _Deadly(moments)))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        with closing(opener()) as again:
            assert sorted(line.last_seen for line in again.installations()) == [NOW] * 3
            again.seen(moments)
            assert sorted(line.last_seen for line in again.installations()) == [NOW + HOUR] * 3

    @pytest.mark.parametrize("writes", [1, 7, 40])
    def test_a_process_killed_at_any_moment_loses_nothing_that_it_was_told_is_stored(
        self, acme: Records, opener: Opener, writes: int
    ) -> None:
        name = enrol(acme).id
        receiver, sender = _spawning.Pipe(duplex=False)
        process = _spawning.Process(target=_put_until_killed, args=(opener, name, sender))
        process.start()
        sender.close()
        told = [receiver.recv() for _ in range(writes)]
        process.kill()
        process.join()
        with receiver, suppress(EOFError):
            while True:
                told.append(receiver.recv())
        with closing(opener()) as again:
            stored = [line.components["sdk/botocore"] for line in reversed(again.thin_snapshots(name))]
            assert stored[: len(told)] == told
            assert len(stored) <= len(told) + 1
            assert again.put_thin_snapshot(name, NEW, NOW)


_EACH: Final = 15


class _Deadly(Mapping[str, datetime]):
    """Kills the process that reads it, after the first item."""

    def __init__(self, moments: dict[str, datetime]) -> None:
        self.moments = moments

    def __getitem__(self, name: str) -> datetime:
        return self.moments[name]

    def __len__(self) -> int:
        return len(self.moments)

    def __iter__(self) -> Iterator[str]:
        for number, name in enumerate(self.moments):
            if number:
                os.kill(os.getpid(), signal.SIGKILL)
            yield name


def _enrol_and_put(records: Records, name: str) -> None:
    for number in range(_EACH):
        minted = enrol(records, f"{name}{number}")
        records.put_thin_snapshot(minted.id, OLD, NOW)
        records.seen({minted.id: NOW + HOUR})


def _write_in_a_process(opener: Opener, name: str) -> None:
    with closing(opener()) as records:
        _enrol_and_put(records, name)


def _seen_in_a_process(opener: Opener, moments: Mapping[str, datetime]) -> None:
    with closing(opener()) as records:
        records.seen(moments)


def _put_until_killed(opener: Opener, name: str, sender: Connection) -> None:
    with closing(opener()) as records:
        for number in count():
            records.put_thin_snapshot(name, {"sdk/botocore": f"1.{number}"}, NOW)
            sender.send(f"1.{number}")


def _always(changes: Changes, _customers: Sequence[Customer], _licences: Sequence[Licence]) -> Changes:
    return changes
