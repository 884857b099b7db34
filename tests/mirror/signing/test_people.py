"""Whose key signs: the one that was named, the only one that may, or a refusal that says who else."""

import pytest

from mirror.errors import SigningError
from mirror.signing import people
from mirror.signing.candidate import Wait
from mirror.signing.ring import Ring
from tests.mirror.signing.ceremony import House


def wait(ring: Ring, *names: str, signed: tuple[str, ...] = ()) -> Wait:
    ids = {name: ring.key(name).verifier.keyid for name in (*names, *signed)}
    return Wait("sdk", 2, tuple(ids[name] for name in names), tuple(ids[name] for name in signed))


def refused(ring: Ring, lines: list[Wait], named: str | None) -> str:
    with pytest.raises(SigningError) as error:
        people.choose(ring, lines, named)
    return error.value.reason


def test_the_only_one_here_that_may_sign_does(template: House) -> None:
    ring = template.signing("alice", "root-1").ring
    assert people.choose(ring, [wait(ring, "alice", "bob")], None) == "alice"
    assert people.choose(ring, [wait(ring, "bob", "carol")], None) is None
    assert people.choose(ring, [], None) is None


def test_of_several_one_is_named(template: House) -> None:
    ring = template.signing("alice", "bob").ring
    lines = [wait(ring, "alice", "bob", "carol")]
    assert refused(ring, lines, None) == "which-key"
    assert people.choose(ring, lines, "bob") == "bob"


def test_who_is_named_and_cannot_sign_is_told_why(template: House) -> None:
    ring = template.signing("alice", "dave").ring
    lines = [wait(ring, "bob", "carol", signed=("alice",))]
    assert refused(ring, lines, "carol") == "not-here"
    assert refused(ring, lines, "mallory") == "no-key"
    assert refused(ring, lines, "alice") == "already-signed"
    assert refused(ring, lines, "dave") == "not-a-signer"


def test_where_nobody_here_may_sign_it_is_said_who_may(template: House) -> None:
    ring = template.signing("alice").ring
    signed = people.nobody_here(ring, [wait(ring, "bob", "carol", signed=("alice",))])
    assert (signed.reason, "bob, carol may" in str(signed)) == ("already-signed", True)
    other = people.nobody_here(ring, [wait(ring, "root-1")])
    assert (other.reason, "root-1 may" in str(other)) == ("not-a-signer", True)


def test_no_key_is_opened_to_choose(template: House) -> None:
    ring = template.signing("alice").ring
    for joined in ring._joined.values():
        joined._unlock._ask = lambda: pytest.fail("asked for a passphrase")
    assert people.choose(ring, [wait(ring, "alice")], None) == "alice"


def test_a_key_that_nobody_named_is_called_by_its_id(template: House) -> None:
    assert people.names(template.names, ["f" * 64]) == f"key {'f' * 12}"
