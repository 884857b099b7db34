"""How long the certificate of this installation holds, and from when on people are told."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spot_client.certificate import Validity, read
from tests.ca.house import House, key_pem, pem_of

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize(("day", "short"), [(0, False), (200, False), (201, True), (299, True), (301, True)])
def test_the_last_third_is_short(day: int, short: bool) -> None:
    assert Validity(BEGIN, BEGIN + 300 * DAY).is_short(BEGIN + day * DAY) is short


def test_it_is_read_beside_its_key(tmp_path: Path, house: House) -> None:
    certificate = house.client.certificate
    (tmp_path / "pem").write_bytes(key_pem(house.client.key) + pem_of(certificate))
    assert read(tmp_path / "pem") == Validity(certificate.not_valid_before_utc, certificate.not_valid_after_utc)


@pytest.mark.parametrize("raw", [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_has_no_validity(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "pem").write_bytes(raw)
    assert read(tmp_path / "pem") is None
    assert read(tmp_path / "none") is None
    assert read(tmp_path) is None
