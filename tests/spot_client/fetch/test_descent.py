"""Which roots belong to the chain that was followed here: by signatures, and where they cannot tell, by nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, Root

from spot_client.fetch.descent import Descent, descent, is_root
from tests.spot_client.vendor import DAY

LENGTH = 5
EXPIRES = datetime.now(UTC).replace(microsecond=0) + DAY
SECOND = timedelta(seconds=1)


def chain(*, rotating: bool, expires: datetime = EXPIRES) -> list[bytes]:
    """Roots of versions 1 to 5, each signed by its own key and by that of the one before; `rotating`: all differ."""
    signers = [CryptoSigner.generate_ed25519() for _ in range(LENGTH if rotating else 1)] * (1 if rotating else LENGTH)
    found = []
    for number, signer in enumerate(signers):
        root = Root(number + 1, expires=expires)
        root.add_key(signer.public_key, "root")
        metadata = Metadata(root)
        for one in {signers[max(number - 1, 0)].public_key.keyid: signers[max(number - 1, 0)], "own": signer}.values():
            metadata.sign(one, append=True)
        found.append(metadata.to_bytes())
    return found


ROTATING, STEADY, OTHER = chain(rotating=True), chain(rotating=False), chain(rotating=True)


def versions(roots: Sequence[bytes], *numbers: int) -> list[bytes]:
    return [roots[number - 1] for number in numbers]


@pytest.mark.parametrize("roots", [ROTATING, STEADY], ids=["rotating", "steady"])
@pytest.mark.parametrize(
    ("known", "offered"),
    [((1,), 1), ((1,), 2), ((2,), 1), ((1, 2, 3), 4), ((3, 4, 5), 2), ((1, 2, 3), 2), ((1, 3), 2), ((1, 4), 3)],
)
def test_what_is_known_or_next_to_it_in_the_chain_is_of_it(
    roots: list[bytes], known: tuple[int, ...], offered: int
) -> None:
    assert descent(versions(roots, *known), roots[offered - 1]) is Descent.SAME


@pytest.mark.parametrize(("known", "offered"), [((1,), 1), ((1,), 2), ((2,), 1), ((1, 2, 3), 2), ((1, 3), 2)])
def test_what_stands_in_its_place_and_is_not_signed_for_is_another(known: tuple[int, ...], offered: int) -> None:
    assert descent(versions(ROTATING, *known), OTHER[offered - 1]) is Descent.OTHER


@pytest.mark.parametrize(("known", "offered"), [((1,), 3), ((1, 2), 5), ((1, 5), 3)])
def test_further_away_the_same_keys_tell_and_others_say_nothing(known: tuple[int, ...], offered: int) -> None:
    assert descent(versions(STEADY, *known), STEADY[offered - 1]) is Descent.SAME
    assert descent(versions(ROTATING, *known), ROTATING[offered - 1]) is Descent.UNKNOWN
    assert descent(versions(ROTATING, *known), OTHER[offered - 1]) is Descent.UNKNOWN


def test_one_before_all_that_are_known_is_older_unless_it_lasts_longer() -> None:
    known = versions(ROTATING, 4, 5)
    assert descent(known, ROTATING[0]) is Descent.OLDER
    assert descent(versions(STEADY, 4, 5), STEADY[0]) is Descent.SAME
    assert descent(known, chain(rotating=True, expires=EXPIRES + SECOND)[0]) is Descent.UNKNOWN
    assert descent(known, chain(rotating=True, expires=EXPIRES + SECOND)[2]) is Descent.OTHER


def test_what_cannot_be_read_is_passed_over_among_the_known_and_is_no_root() -> None:
    assert descent([b"", b"{}", ROTATING[0]], ROTATING[1]) is Descent.SAME
    assert descent([b""], ROTATING[1]) is Descent.UNKNOWN
    assert descent(ROTATING, b"{}") is Descent.OTHER


def test_a_root_is_one_that_its_own_keys_signed() -> None:
    unsigned = Metadata[Root].from_bytes(ROTATING[0])
    unsigned.signatures.clear()
    assert is_root(ROTATING[0])
    assert not any(map(is_root, (b"", b"{}", unsigned.to_bytes())))
