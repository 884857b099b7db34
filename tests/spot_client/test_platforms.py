"""Which platform's releases a machine runs."""

import pytest

from spot_client import platforms
from spot_client.wire.names import check_platform


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "linux-x86_64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Linux", "i686", "linux-x86"),
        ("Linux", "armv7l", "linux-armv7"),
        ("Linux", "riscv64", "linux-riscv64"),
        ("Darwin", "arm64", "macos-arm64"),
        ("Windows", "AMD64", "windows-x86_64"),
        ("Linux", "vax", "any"),
        ("Plan9", "x86_64", "any"),
        ("", "", "any"),
    ],
)
def test_what_a_machine_calls_itself_becomes_a_platform_of_ours(system: str, machine: str, expected: str) -> None:
    assert platforms.name(system, machine) == expected
    assert check_platform(expected) == expected


def test_this_machine_has_a_platform() -> None:
    assert check_platform(platforms.here())
