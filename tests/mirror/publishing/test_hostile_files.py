"""What waits and the journals lie where the process that serves may write: nothing in them ends in a traceback."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca.errors import CaError
from mirror.errors import MirrorError, PublishError, SigningError
from mirror.publishing import approve, changes, journal
from mirror.publishing.journal import Journal
from mirror.signing import papers, proposal, stage
from mirror.signing.staged import Change
from spot_client.wire.errors import WireError
from tests.drawn import json_documents
from tests.mirror.signing.ceremony import House

TOLD = (MirrorError, CaError, WireError)
"""What the command line says in one sentence."""


@pytest.fixture(scope="module")
def waiting(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vendor with a second release that waits, and a next root and targets; tests copy it."""
    house = template.copy(tmp_path_factory.mktemp("waiting") / "house")
    house.publish("alice", house.source, "2.0")
    signing = house.signing()
    known, staged = stage.open_staged(signing)
    staged.put("targets", stage.next_targets(signing, known, staged, "targets"), change("targets"))
    staged.put("root", stage.next_root(signing, known, staged), change("root"))
    staged.save(house.place.staged)
    return house


def change(role: str) -> Change:
    return Change(role, f"{role}: signed anew", "2026-03-01T00:00:00Z")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "house"


def commands(house: House) -> list[Callable[[], object]]:
    """All that reads what waits, or a journal."""
    return [
        lambda: approve.look(house.signing()),
        lambda: house.turn(force=True),
        lambda: papers.to_sign(house.place, house.names),
        lambda: changes.halt(house.signing("carol"), "sdk/tool", "1.0", None, "it breaks"),
        lambda: house.publish("alice", house.source, "3.0"),
        lambda: house.approve("bob"),
        lambda: approve.discard(house.signing(), tuple(proposal.read_staged(house.place).statements)),
        lambda: approve.set_aside(house.signing()),
    ]


def assert_told(house: House) -> None:
    """Every command does what it is for, or says in a sentence why not."""
    for command in commands(house):
        with suppress(*TOLD):
            command()


@st.composite
def hostile(draw: st.DrawFn, raw: bytes) -> bytes:
    """What waits with one thing in it changed, in one of the statements if need be."""
    if draw(st.booleans()):
        return draw(json_documents(raw))
    document = json.loads(raw)
    role = draw(st.sampled_from(sorted(document["statements"])))
    changed = draw(json_documents(document["statements"][role].encode()))
    document["statements"][role] = changed.decode()
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def fresh(waiting: House, scratch: Path) -> House:
    shutil.rmtree(scratch, ignore_errors=True)
    return waiting.copy(scratch)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_nothing_that_waits_ends_in_a_traceback(waiting: House, scratch: Path, data: st.DataObject) -> None:
    raw = data.draw(hostile(waiting.place.staged.read_bytes()))
    house = fresh(waiting, scratch)
    house.place.staged.write_bytes(raw)
    assert_told(house)


def edited(waiting: House, change: Callable[[Any, dict[str, Any]], object]) -> bytes:
    """What waits, after `change` of the document and of its statements."""
    document = json.loads(waiting.place.staged.read_bytes())
    statements = {role: json.loads(text) for role, text in document["statements"].items()}
    change(document, {role: one["signed"] for role, one in statements.items()})
    document["statements"] = {role: json.dumps(one) for role, one in statements.items()}
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def nested(levels: int) -> dict[str, Any]:
    return {"a": nested(levels - 1)} if levels else {}


def without(role: str) -> Callable[[Any, dict[str, Any]], None]:
    """The targets that wait take a role away."""

    def change(_: Any, signed: dict[str, Any]) -> None:
        lines = signed["targets"]["delegations"]["roles"]
        lines[:] = [line for line in lines if line["name"] != role]

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda _, signed: signed["sdk"].update(x=nested(900)),
        lambda _, signed: signed["targets"].pop("delegations"),
        lambda _, signed: signed["targets"]["delegations"].update(keys={}, roles=[]),
        without("halts"),
        without("sdk"),
        lambda document, signed: (document.update(files={}), signed["sdk"]["targets"].update({"\0": target(signed)})),
        lambda document, signed: (document.update(files={}), target(signed).update(hashes={"sha256": "\0"})),
        lambda document, signed: (document.update(files={}), target(signed).update(length=2**70)),
    ],
)
def test_what_tuf_takes_and_we_do_not_is_told(
    waiting: House, scratch: Path, change: Callable[[Any, dict[str, Any]], object]
) -> None:
    house = fresh(waiting, scratch)
    house.place.staged.write_bytes(edited(waiting, change))
    assert_told(house)


def target(signed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(signed["sdk"]["targets"].values()))
    return found


@pytest.mark.parametrize("role", ["sdk", "halts"])
def test_targets_that_would_take_a_role_away_can_be_forgotten(waiting: House, scratch: Path, role: str) -> None:
    house = fresh(waiting, scratch)
    house.place.staged.write_bytes(edited(waiting, without(role)))
    with pytest.raises(SigningError, match="discard targets") as error:
        act(house, role)
    assert error.value.reason == "bad-staged"
    approve.discard(house.signing(), ("targets",))
    act(house, role)


def act(house: House, role: str) -> None:
    if role == "halts":
        changes.halt(house.signing("carol"), "sdk/tool", "1.0", None, "it breaks")
    else:
        house.publish("alice", house.source, "3.0")


KEYS = ["", "/", "../x", "../../../etc/passwd", "releases/x", "releases/sdk/tool/2.0/any/../pack", "x" * 9000]


@pytest.mark.parametrize("key", [*KEYS, "releases/sdk/../2.0/any/pack", "releases/sdk/tool/2.0/any/pack\n"])
def test_what_is_no_key_of_a_release_stands_in_neither(waiting: House, scratch: Path, key: str) -> None:
    house = fresh(waiting, scratch)
    raw = edited(waiting, lambda document, _: document["changes"][0].update(blobs=[key]))
    house.place.staged.write_bytes(raw)
    with pytest.raises(SigningError, match="discard --all") as staged:
        approve.discard(house.signing(), ("sdk",))
    assert staged.value.reason == "bad-staged"
    assert approve.set_aside(house.signing()) is not None
    path = house.place.folder / "journal.json"
    journal.begin(house.place, Journal(what="x"))
    document = json.loads(path.read_bytes()) | {"blobs": [key]}
    path.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    with pytest.raises(PublishError, match=f"Move {path} away") as told:
        house.publish("alice", house.source, "2.0")
    assert told.value.reason == "bad-journal"
    path.unlink()
    house.publish("alice", house.source, "2.0")


def test_a_discard_removes_nothing_that_the_catalogue_names(waiting: House, scratch: Path) -> None:
    house = fresh(waiting, scratch)
    keys = [f"releases/sdk/tool/1.0/any/{name}" for name in ("pack", "manifest")]
    house.place.staged.write_bytes(edited(waiting, lambda document, _: document["changes"][0].update(blobs=keys)))
    approve.discard(house.signing(), ("sdk",))
    assert all(house.place.blobs.exists(key) for key in keys)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_journal_ends_in_a_traceback(waiting: House, scratch: Path, data: st.DataObject) -> None:
    house = fresh(waiting, scratch)
    name = data.draw(st.sampled_from(["journal.json", "switch.json"]))
    written = {
        "journal.json": b'{"blobs":["releases/sdk/tool/2.0/any/pack"],"format":1,"min_spot":"0.1","what":"x"}',
        "switch.json": b'{"files":["2.root.json"],"format":1,"min_spot":"0.1","timestamp":"' + b"0" * 64 + b'"}',
    }
    (house.place.folder / name).write_bytes(data.draw(json_documents(written[name])))
    assert_told(house)
