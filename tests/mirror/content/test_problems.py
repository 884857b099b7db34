"""mirror.content.problems: every reason is answered, and never with more than its one sentence."""

from datetime import UTC, datetime

import pytest

from mirror.content.problems import TABLE, body
from spot_client.wire.problem import Reason, read_reason


def test_every_reason_has_its_row() -> None:
    assert set(TABLE) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_client_reads_reason_sentence_and_request_from_the_body(reason: Reason) -> None:
    raw = body(reason, status=TABLE[reason].status, request="00ff", now=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert read_reason(raw) == (reason.value, TABLE[reason].sentence, "00ff")
    assert b'"time":"2026-01-02T03:04:05Z"' in raw


def test_exactly_what_a_certificate_is_to_blame_for_or_leaves_bytes_behind_ends_the_connection() -> None:
    assert {reason.value for reason, line in TABLE.items() if line.closes} == {
        "bad-certificate",
        "unknown-issuer",
        "other-realm",
        "wrong-role",
        "not-yet-valid",
        "expired",
        "revoked",
        "revocation-unknown",
        "bad-request",
        "too-large",
    }
