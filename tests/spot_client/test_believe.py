"""What the mirror sent and is not of its format is not trusted; what is too new asks for a newer SPOT."""

import pytest

from spot_client.believe import believing
from spot_client.errors import NotReachable, NotTrusted, RefusedLocally
from spot_client.wire.errors import BadName, DigestError, FormatError, WireError


@pytest.mark.parametrize("error", [DigestError, FormatError, BadName])
def test_a_format_error_is_a_matter_of_trust(error: type[WireError]) -> None:
    with pytest.raises(NotTrusted) as failed, believing():
        raise error("wrong-shape", "It is bent.")
    assert failed.value.reason == "wrong-shape"
    assert str(failed.value) == "It is bent. Nothing of it was installed; tell your vendor."


def test_what_is_too_new_is_no_matter_of_trust() -> None:
    with pytest.raises(RefusedLocally) as failed, believing():
        raise FormatError("too-new", "It needs SPOT 9.")
    assert failed.value.reason == "too-new"


def test_all_else_passes_as_it_is() -> None:
    with pytest.raises(NotReachable), believing():
        raise NotReachable("no-answer", "down")
