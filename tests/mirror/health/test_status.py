"""mirror.health.status: what a mirror needs to be ready for clients."""

import pytest

from mirror.health.status import SENTENCES, Cause, Status, not_ready
from tests.mirror.health.rig import DAY, GOOD, NOW, but


def test_a_mirror_with_workers_catalogue_lists_and_store_is_ready() -> None:
    assert not_ready(GOOD) == ()
    assert not_ready(but(ready=1)) == (), "one worker of two serves"


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (but(draining=True), Cause.DRAINING),
        (but(ready=0), Cause.NO_WORKER),
        (but(catalogue_until=NOW), Cause.CATALOGUE_LAPSED),
        (but(catalogue_until=None), Cause.CATALOGUE_LAPSED),
        (but(lists_until=NOW - DAY), Cause.REVOCATION_UNKNOWN),
        (but(lists_until=None), Cause.REVOCATION_UNKNOWN),
        (but(store_answers=False), Cause.STORE_FAULT),
        (but(losing_audit=True), Cause.AUDIT_LOST),
        (but(memory_behind=True), Cause.MEMORY_BEHIND),
    ],
)
def test_each_thing_that_is_lacking_is_named(status: Status, cause: Cause) -> None:
    assert not_ready(status) == (cause,)


def test_everything_that_is_lacking_is_named_at_once() -> None:
    nothing = but(
        draining=True,
        ready=0,
        catalogue_until=None,
        lists_until=None,
        store_answers=False,
        losing_audit=True,
        memory_behind=True,
    )
    assert not_ready(nothing) == tuple(Cause)


def test_every_cause_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Cause)
