"""What becomes of a configuration file, case by case, and that nobody's work is ever thrown away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot_client.decide.configs import Fate, Found, Link, Odd, Regular, beside, configs, fate
from spot_client.wire.manifest import Kind
from spot_client.wire.names import check_path
from spot_client.wire.portable import check_reserved
from tests.spot_client.vendor import make

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "pending", "expected"),
    [
        (A, Regular(A), A, False, Fate.REPLACE),
        (A, Regular(A), B, False, Fate.REPLACE),
        (A, Regular(A), B, True, Fate.REPLACE),
        (A, Regular(A), None, False, Fate.REPLACE),
        (A, Regular(C), A, False, Fate.KEEP),
        (A, Regular(C), A, True, Fate.BESIDE),
        (A, Regular(C), B, False, Fate.BESIDE),
        (A, Regular(B), B, False, Fate.KEEP),
        (A, Regular(B), B, True, Fate.KEEP),
        (A, Regular(C), None, False, Fate.SAVE),
        (A, Link("/etc/own"), A, False, Fate.KEEP),
        (A, Link("/etc/own"), B, False, Fate.BESIDE),
        (A, Link("/etc/own"), None, False, Fate.SAVE),
        (A, None, A, False, Fate.DELETE),
        (A, None, B, False, Fate.DELETE),
        (A, None, None, False, Fate.REPLACE),
        (A, Odd("a pipe"), A, False, Fate.REFUSE),
        (A, Odd("a pipe"), B, False, Fate.REFUSE),
        (A, Odd("a pipe"), None, False, Fate.REFUSE),
        (Link("own"), Link("own"), B, False, Fate.REPLACE),
        (Link("own"), Link("mine"), B, False, Fate.BESIDE),
        (Link("own"), Regular(C), B, False, Fate.BESIDE),
        (None, None, B, False, Fate.REPLACE),
        (None, Regular(C), B, False, Fate.BESIDE),
        (None, Regular(B), B, False, Fate.KEEP),
        (None, Odd("a folder"), B, False, Fate.REPLACE),
    ],
)
def test_what_becomes_of_a_configuration_file(
    base: str | None, ours: Found, theirs: str | None, pending: bool, expected: Fate
) -> None:
    assert fate(base, ours, theirs, pending=pending) is expected


DIGESTS = st.sampled_from([A, B, C])
FOUND = st.one_of(st.none(), DIGESTS.map(Regular), st.just(Link("x")), st.just(Odd("a pipe")))


@given(st.one_of(st.none(), DIGESTS), FOUND, st.one_of(st.none(), DIGESTS), st.booleans())
def test_what_was_changed_here_always_stays_somewhere(
    base: str | None, ours: Found, theirs: str | None, pending: bool
) -> None:
    decided = fate(base, ours, theirs, pending=pending)
    changed = isinstance(ours, Regular | Link) and ours != Regular(base or "")
    assert (decided in {Fate.KEEP, Fate.BESIDE, Fate.SAVE}) == changed
    if theirs is None:
        assert decided not in {Fate.KEEP, Fate.BESIDE, Fate.DELETE}, "the new tree has no place for it"


@pytest.mark.parametrize("path", ["app.conf", "etc/app.conf", "n" * 255, "etc/" + "é" * 127, "etc/" + "x" * 246])
def test_what_lies_beside_has_a_name_that_no_release_can_have(path: str) -> None:
    found = beside(path)
    assert check_path(found) == found
    assert found.rpartition("/")[0] == path.rpartition("/")[0]
    with pytest.raises(Exception, match="SPOT needs for itself"):
        check_reserved(found)


def test_only_configuration_is_listed() -> None:
    manifest = make({"a": b"a", "b": b"b", "c": b"c"}, kinds={"b": Kind.CONFIG, "c": Kind.STATE}).manifest
    assert list(configs(manifest)) == ["b"]
