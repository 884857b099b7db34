"""Signing on another machine: what goes there is verified there, what comes back is verified here."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.errors import MirrorError, SigningError
from mirror.publishing import approve
from mirror.signing import papers, ring
from mirror.signing.marks import HighWater
from spot_client.wire import document
from tests.drawn import json_documents
from tests.mirror.publishing.rig import PASSPHRASE, made_keys
from tests.mirror.signing.ceremony import House, new_house, start
from tests.spot_client.wire.strategies import mutated


@pytest.fixture
def waiting(house: House) -> House:
    house.publish("alice", house.source, "2.0")
    return house


def canonical(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def edited(raw: bytes, change: Callable[[Any], object]) -> bytes:
    document = json.loads(raw)
    change(document)
    return canonical(document)


def taken(house: House, raw: bytes) -> str:
    """Why signatures are refused; and nothing has changed."""
    before = house.place.staged.read_bytes()
    with pytest.raises(SigningError) as error:
        approve.take(house.signing(), raw, lambda *_: None)
    assert house.place.staged.read_bytes() == before
    return error.value.reason


def unpacked(raw: bytes, folder: Path) -> str:
    folder.mkdir()
    with pytest.raises(MirrorError) as error:
        papers.unpack(raw, folder)
    assert str(error.value).isprintable()
    return error.value.reason


def test_there_and_back(waiting: House, tmp_path: Path) -> None:
    raw = waiting.sign_elsewhere("bob", tmp_path / "bob")
    roles, settled = approve.take(waiting.signing(), raw, lambda *_: None)
    assert roles == ("sdk",)
    assert [line.missing for line in settled.waits] == [0]
    approve.take(waiting.signing(), raw, lambda *_: None)  # the same again is no error
    assert waiting.turn() is not None


def test_there_what_changes_is_shown_against_the_verified_catalogue(waiting: House, tmp_path: Path) -> None:
    carried = papers.unpack(papers.to_sign(waiting.place, waiting.names), tmp_path)
    assert carried.known is not None
    assert carried.known.timestamp == waiting.chain.timestamp
    mine = ring.read(made_keys() / "bob", lambda: PASSPHRASE)
    mine.hear(carried.names)
    (one,) = approve.proposals(carried.place, mine, carried.known, carried.waiting, None)
    assert [line.what for line in one.differences] == ["sdk/tool 2.0 (any): new in stable"]
    assert {name.split()[0] for keyid in one.wait.signed if (name := mine.name(keyid))} == {"alice"}


def test_a_first_catalogue_is_signed_on_five_machines(tmp_path: Path) -> None:
    house = new_house(tmp_path / "house")
    start(house, house.signing())
    for person in ("root-1", "root-3", "alice", "carol"):
        approve.take(house.signing(), house.sign_elsewhere(person, tmp_path / person), lambda *_: None)
        assert (house.turn() is not None) == (person == "carol")


def test_where_nothing_waits_nothing_goes_out(house: House) -> None:
    with pytest.raises(SigningError) as error:
        papers.to_sign(house.place, house.names)
    assert error.value.reason == "nothing-waits"


def test_who_has_nothing_to_sign_is_told(waiting: House, tmp_path: Path) -> None:
    for person in ("alice", "dave", "root-1"):
        with pytest.raises(SigningError) as error:
            waiting.sign_elsewhere(person, tmp_path / person)
        assert error.value.reason == "not-a-signer"


def test_what_waits_has_changed_meanwhile(waiting: House, tmp_path: Path) -> None:
    raw = waiting.sign_elsewhere("bob", tmp_path / "bob")
    waiting.publish("alice", waiting.source, "3.0")
    assert taken(waiting, raw) == "bad-signature"
    waiting.approve("carol")
    waiting.turn()
    waiting.publish("alice", waiting.source, "4.0")
    assert taken(waiting, raw) == "other-version"


def test_the_signature_of_a_wrong_key_is_refused(waiting: House, tmp_path: Path) -> None:
    raw = waiting.sign_elsewhere("bob", tmp_path / "bob")
    ring_ = waiting.names
    for name in ("dave", "carol", "root-1"):
        keyid = ring_.key(name).verifier.keyid
        document = json.loads(raw)
        document["signatures"]["sdk"]["keyid"] = keyid
        assert taken(waiting, canonical(document)) == "bad-signature"
    other = {"signatures": {"targets": json.loads(raw)["signatures"]["sdk"]}}
    assert taken(waiting, edited(raw, lambda it: it.update(other))) == "other-version"
    assert taken(waiting, edited(raw, lambda it: it["signatures"]["sdk"].update(signature="0" * 128))) == (
        "bad-signature"
    )


def test_a_paper_whose_catalogue_does_not_verify_is_refused(waiting: House, tmp_path: Path) -> None:
    raw = papers.to_sign(waiting.place, waiting.names)
    for name in json.loads(raw)["catalogue"]:
        document = json.loads(raw)
        del document["catalogue"][name]
        if not name.startswith("targets/"):
            assert unpacked(canonical(document), tmp_path / f"lost-{name}") == "missing"
    stranger = base64.b64encode(b'{"signatures":[],"signed":{}}').decode()
    spoilt = edited(raw, lambda it: it["catalogue"].update({"timestamp.json": stranger}))
    assert unpacked(spoilt, tmp_path / "spoilt") == "damaged"


def test_a_paper_leads_no_signer_to_versions_far_ahead(waiting: House, tmp_path: Path) -> None:
    far = document.encode(HighWater(versions={"sdk": 2**62}))
    raw = papers.to_sign(waiting.place, waiting.names)
    for number, floors in enumerate((far, b"{}", b"\xff")):
        document_ = {**json.loads(raw), "floors": base64.b64encode(floors).decode()}
        assert unpacked(canonical(document_), tmp_path / str(number)) == "bad-mark"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "targets/../../x", "", "x", "staged.json", "1.root.json/x"])
def test_a_paper_writes_only_files_of_a_catalogue(waiting: House, tmp_path: Path, name: str) -> None:
    raw = edited(papers.to_sign(waiting.place, waiting.names), lambda it: it["catalogue"].update({name: "AAAA"}))
    before = {*tmp_path.iterdir()}
    assert unpacked(raw, tmp_path / "there") == "bad-paper"
    assert {*tmp_path.iterdir()} - before == {tmp_path / "there"}


def test_files_that_are_no_papers_or_too_large_are_refused(waiting: House, tmp_path: Path) -> None:
    signatures = waiting.sign_elsewhere("bob", tmp_path / "bob")
    wrong = (b"", b"{}", b"\xff", b"[" * 100_000, signatures)
    for number, raw in enumerate(wrong):
        assert unpacked(raw, tmp_path / str(number)) == "bad-paper"
    for raw in (*wrong[:-1], papers.to_sign(waiting.place, waiting.names)):
        assert taken(waiting, raw) == "bad-paper"
    with (tmp_path / "large").open("wb") as file:
        file.truncate(papers.MAX_BYTES + 1)
    for path in (tmp_path / "large", tmp_path / "missing", tmp_path):
        with pytest.raises(SigningError) as error:
            papers.read(path)
        assert error.value.reason == "bad-paper"


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_whatever_was_done_to_a_paper_it_is_verified_or_refused_by_name(
    template: House, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = _paper(template, tmp_path_factory)
    changed = data.draw(mutated(raw) | json_documents(raw))
    try:
        carried = papers.unpack(changed, tmp_path_factory.mktemp("paper"))
        mine = ring.read(made_keys() / "bob", lambda: PASSPHRASE)
        mine.hear(carried.names)
        approve.proposals(carried.place, mine, carried.known, carried.waiting, None)
    except MirrorError as error:
        refused = error
    else:
        return
    assert refused.reason


_PAPERS: list[bytes] = []


def _paper(template: House, factory: pytest.TempPathFactory) -> bytes:
    if not _PAPERS:
        house = template.copy(factory.mktemp("paper") / "house")
        house.publish("alice", house.source, "2.0")
        _PAPERS.append(papers.to_sign(house.place, house.names))
    return _PAPERS[0]
