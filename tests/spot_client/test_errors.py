"""A failure is one sentence that can be shown, whatever it quotes."""

import pytest

from spot_client.errors import NotTrusted, Refused, SpotError


@pytest.mark.parametrize("kind", [NotTrusted, Refused])
def test_what_is_quoted_of_others_is_cut_and_does_not_move_a_cursor(kind: type[SpotError]) -> None:
    said = str(kind("bad-metadata", f"A role is called \x1b[2J\n{'x' * 300_000}"))
    assert said.startswith("A role is called  [2J xxx")
    assert len(said) == 1000
    assert said.isprintable()
