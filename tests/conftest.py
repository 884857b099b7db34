"""What holds for all tests."""

from collections.abc import Iterator
from functools import cache

import pytest

import ca.keys
import mirror.signing.keys
from tests import measured


@pytest.fixture(scope="session", autouse=True)
def _programs_are_not_measured() -> None:
    measured.spare()


@pytest.fixture(scope="session", autouse=True)
def _one_passphrase_is_stretched_once() -> Iterator[None]:
    """It takes 0.4 s and always gives the same; tests open the same few keys a thousand times."""
    remembered = cache(ca.keys.stretch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ca.keys, "stretch", remembered)
        patch.setattr(mirror.signing.keys, "stretch", remembered)
        yield
