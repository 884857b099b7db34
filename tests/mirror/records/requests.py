"""The protocol of requests for certificates as tests, part of the contract of records."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import pytest

from mirror.errors import NotThere, RecordsError, TooOften
from mirror.records import asking
from mirror.records.asking import MAX_WAITING
from mirror.records.protocol import Records
from mirror.records.requests import Answered, Asked, Waiting
from mirror.records.told import Minted

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
ISSUED: Final = Answered(certificate=b"certificate")
DENIED: Final = Answered(denied="revoked")


def asked(installation: str, request: bytes = b"request", *, enrols: bool = True) -> Asked:
    return Asked(sha256(request).digest(), installation, enrols, request, b"requester")


def mint(records: Records, number: int = 0) -> str:
    return records.mint("acme", b"%d" % number, lambda: f"{number:08d}00000000", NOW).id


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(RecordsError) as caught:
        call()
    return caught.value.reason


class RequestsContract:
    """For a subclass with the fixture `acme`."""

    def test_a_request_waits_and_gets_the_same_answer_however_often_it_is_sent(self, acme: Records) -> None:
        one = asked(mint(acme))
        for hours in range(2):
            assert acme.ask(one, NOW + timedelta(hours=hours)) == Answered(since=NOW)
        assert acme.waiting(0, 10) == [Waiting(1, one, NOW)]
        assert acme.answer(one.digest, ISSUED, NOW)
        assert acme.ask(one, NOW) == ISSUED
        assert acme.waiting(0, 10) == []

    def test_a_request_can_be_denied(self, acme: Records) -> None:
        one = asked(mint(acme))
        acme.ask(one, NOW)
        acme.answer(one.digest, DENIED, NOW)
        assert acme.ask(one, NOW) == DENIED
        assert acme.owned(0, 10) == []

    def test_the_first_answer_stays(self, acme: Records) -> None:
        one = asked(mint(acme))
        acme.ask(one, NOW)
        assert acme.answer(one.digest, ISSUED, NOW)
        assert acme.answer(one.digest, ISSUED, NOW)
        assert not acme.answer(one.digest, DENIED, NOW)
        assert acme.ask(one, NOW) == ISSUED

    def test_only_what_was_asked_is_answered_or_found(self, acme: Records) -> None:
        assert reason_of(lambda: acme.answer(b"0" * 32, ISSUED, NOW)) == "no-request"
        assert acme.find_request(b"0" * 32) is None
        one = asked(mint(acme))
        acme.ask(one, NOW)
        assert acme.find_request(one.digest) == one

    def test_only_an_installation_asks(self, acme: Records) -> None:
        with pytest.raises(NotThere):
            acme.ask(asked("0" * 16), NOW)

    def test_a_request_belongs_to_one_installation(self, acme: Records) -> None:
        acme.ask(asked(mint(acme)), NOW)
        assert reason_of(lambda: acme.ask(asked(mint(acme, 1)), NOW)) == "other-installation"

    def test_those_that_wait_are_told_page_by_page_in_the_order_of_coming(self, acme: Records) -> None:
        sent = [asked(mint(acme, number), b"%d" % number) for number in range(5)]
        for one in sent:
            acme.ask(one, NOW)
        first = acme.waiting(0, 2)
        rest = acme.waiting(first[-1].number, 10)
        assert [one.asked for one in [*first, *rest]] == sent

    def test_an_installation_has_few_requests_that_wait(self, acme: Records) -> None:
        name = mint(acme)
        for number in range(MAX_WAITING):
            acme.ask(asked(name, b"%d" % number), NOW)
        with pytest.raises(TooOften) as caught:
            acme.ask(asked(name, b"more"), NOW)
        assert caught.value.seconds > 0
        acme.answer(sha256(b"0").digest(), DENIED, NOW)
        assert acme.ask(asked(name, b"more"), NOW) == Answered(since=NOW)

    def test_a_customer_has_a_bounded_number_of_requests_that_wait(
        self, acme: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "MAX_OF_CUSTOMER", 3)
        for number in range(3):
            acme.ask(asked(mint(acme, number), b"%d" % number), NOW)
        assert reason_of(lambda: acme.ask(asked(mint(acme, 3), b"3"), NOW)) == "too-many-waiting"
        acme.answer(sha256(b"0").digest(), DENIED, NOW)
        acme.ask(asked(mint(acme, 3), b"3"), NOW)

    def test_with_a_certificate_an_installation_has_its_own_and_nobody_enrols_it_again(self, acme: Records) -> None:
        name, before = mint(acme), acme.marker()
        one = asked(name)
        acme.ask(one, NOW)
        assert acme.marker() == before
        acme.answer(one.digest, ISSUED, NOW)
        (minted,) = acme.minted(0, 10)
        (owned,) = acme.owned(0, 10)
        assert Minted(minted.number, owned.id, owned.holder) == minted
        assert owned.number > before
        assert acme.marker() == owned.number
        assert acme.owned(owned.number, 10) == []
        assert reason_of(lambda: acme.ask(asked(name, b"another"), NOW)) == "own-certificate"
        assert acme.ask(one, NOW) == ISSUED
        assert acme.ask(asked(name, b"another", enrols=False), NOW) == Answered(since=NOW)

    def test_old_answers_go_and_what_waits_stays(self, acme: Records) -> None:
        name = mint(acme)
        old, waits = asked(name, b"old"), asked(name, b"waits")
        acme.ask(old, NOW)
        acme.ask(waits, NOW)
        acme.answer(old.digest, DENIED, NOW)
        later = NOW + timedelta(days=91)
        acme.ask(asked(name, b"new"), later)
        assert acme.find_request(old.digest) is None
        assert acme.find_request(waits.digest) == waits

    def test_requests_go_with_their_customer(self, acme: Records) -> None:
        one = asked(mint(acme))
        acme.ask(one, NOW)
        acme.remove_customer("acme", NOW.date())
        assert acme.find_request(one.digest) is None
        assert acme.waiting(0, 10) == []
