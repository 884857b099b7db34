"""What waits: one file, replaced whole, of which nothing is believed."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from mirror.errors import CatalogueFault, SigningError
from mirror.publishing import approve
from mirror.signing import proposal, staged
from mirror.signing.candidate import waits
from mirror.signing.staged import Change, Staged
from tests.drawn import json_documents
from tests.mirror.signing.ceremony import House
from tests.spot_client.wire.strategies import mutated

AT = "2026-03-01T00:00:00Z"


@pytest.fixture(scope="module")
def waiting(template: House, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A vendor with a second release that waits; tests do not change it."""
    house = template.copy(tmp_path_factory.mktemp("waiting") / "house")
    house.publish("alice", house.source, "2.0")
    return house


def refused(raw: bytes) -> str:
    with pytest.raises(SigningError) as error:
        staged.decode(raw, "what waits")
    assert str(error.value).isprintable()
    return error.value.reason


def edited(waiting: House, change: Callable[[Any], None]) -> bytes:
    document = json.loads(waiting.place.staged.read_bytes())
    change(document)
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def test_what_is_written_is_read_back(waiting: House) -> None:
    raw = waiting.place.staged.read_bytes()
    found = staged.decode(raw, "x")
    assert found.encode() == raw
    assert [*found.statements] == ["sdk"]
    assert [change.what for change in found.changes] == ["sdk/tool 2.0 (any): new"]
    assert waiting.place.staged.stat().st_mode & 0o777 == 0o600


def test_nothing_waits_where_there_is_no_file(template: House, tmp_path: Path) -> None:
    assert staged.read(tmp_path / "none").statements == {}
    assert not template.place.staged.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it.pop("files"),
        lambda it: it.update(extra=1),
        lambda it: it.update(format=9),
        lambda it: it["statements"].update(sdk="{}"),
        lambda it: it["statements"].update(root=it["statements"]["sdk"]),
        lambda it: it["statements"].update(sdk="[" * 100_000),
        lambda it: it["statements"].update(sdk=it["statements"]["sdk"].replace('"signed":{', '"signed":{"x":0.5,')),
        lambda it: it["files"].update({next(iter(it["files"])): "not base64!"}),
        lambda it: it["files"].update({"targets/x": "AAAA"}),
        lambda it: it["files"].update({"../timestamp.json": "AAAA"}),
        lambda it: it["changes"][0].update(at="yesterday"),
    ],
)
def test_a_damaged_file_is_refused_by_name(waiting: House, change: Callable[[Any], None]) -> None:
    assert refused(edited(waiting, change)) == "bad-staged"


def test_a_statement_or_a_file_that_is_too_large_is_refused(waiting: House) -> None:
    long = json.dumps({"signatures": [], "signed": {"x": "y" * 5_000_001}})
    assert refused(edited(waiting, lambda it: it["statements"].update(sdk=long))) == "bad-staged"
    assert refused(b" " * (staged.MAX_BYTES + 1)) == "bad-staged"


def test_a_file_that_is_not_what_was_signed_is_refused(waiting: House, tmp_path: Path) -> None:
    house = waiting.copy(tmp_path / "house")
    other = base64.b64encode(b"another index").decode()
    house.place.staged.write_bytes(edited(waiting, lambda it: it["files"].update({next(iter(it["files"])): other})))
    for call in (lambda: approve.look(house.signing()), lambda: house.approve("bob")):
        with pytest.raises(Exception) as error:
            call()
        assert getattr(error.value, "reason", "") == "bad-target"


def test_a_file_that_is_not_there_is_refused(waiting: House, tmp_path: Path) -> None:
    house = waiting.copy(tmp_path / "house")
    house.place.staged.write_bytes(edited(waiting, lambda it: it.update(files={})))
    with pytest.raises(CatalogueFault) as error:
        approve.look(house.signing())
    assert error.value.reason == "missing"


def test_statements_that_do_not_follow_on_what_is_visible_are_dropped(waiting: House) -> None:
    for version, kept in ((1, False), (2, True), (9, True)):
        found = proposal.read_staged(waiting.place)
        found.statements["sdk"].signed.version = version
        gone = found.follow(waiting.chain)
        assert ("sdk" in found.statements) == kept
        assert [change.role for change in gone] == ([] if kept else ["sdk"])
        assert [change.role for change in found.changes] == (["sdk"] if kept else [])


def test_the_next_root_follows_without_a_gap(waiting: House) -> None:
    """Clients go from root to root: one after a gap would leave them without its keys for the timestamp."""
    for version, kept in ((1, False), (2, True), (3, False)):
        found = Staged()
        root = waiting.chain.root
        root.version = version
        found.put("root", root)
        found.follow(waiting.chain)
        assert ("root" in found.statements) == kept


def test_before_there_is_a_catalogue_a_product_follows_on_nothing(waiting: House) -> None:
    found = proposal.read_staged(waiting.place)
    found.follow(None)
    assert found.statements == {}


def test_a_role_that_nobody_delegates_is_dropped(waiting: House) -> None:
    for role in ("science", "snapshot", "../../x", ""):
        found = proposal.read_staged(waiting.place)
        found.statements[role] = found.statements.pop("sdk")
        found.statements[role].signed.version = 3 if role == "snapshot" else 1
        found.follow(waiting.chain)
        assert found.statements == {}
        assert waits(waiting.chain, found) == []


def test_who_adds_to_what_waits_takes_the_signatures_away(waiting: House) -> None:
    found = proposal.read_staged(waiting.place)
    assert len(found.statements["sdk"].signatures) == 1
    found.put("sdk", waiting.chain.products["sdk"], Change("sdk", "more", AT))
    assert found.statements["sdk"].signatures == {}
    assert [change.what for change in found.changes][-1] == "more"


def test_files_that_no_statement_leads_to_are_not_written_down(waiting: House, tmp_path: Path) -> None:
    found = proposal.read_staged(waiting.place)
    found.files["targets/left-over"] = b"x"
    found.save(tmp_path / "staged.json")
    assert "targets/left-over" not in staged.read(tmp_path / "staged.json").files
    found.drop(frozenset({"sdk"}))
    found.save(tmp_path / "staged.json")
    assert not (tmp_path / "staged.json").exists()


def test_more_than_clients_accept_is_not_signed(waiting: House) -> None:
    found = proposal.read_staged(waiting.place)
    signed = found.targets("sdk", None)
    assert signed is not None
    for number in range(20_000):
        path = f"sdk/{'x' * 180}{number}/index.json.zst"
        signed.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path)
    found.put("sdk", signed)
    with pytest.raises(SigningError) as error:
        found.sign("sdk", waiting.signing("alice").ring.signer("alice"))
    assert error.value.reason == "too-large"


def read_or_refused(waiting: House, raw: bytes) -> Staged | None:
    try:
        found = staged.decode(raw, "what waits")
    except SigningError as error:
        refused = error
    else:
        found.follow(waiting.chain)
        return found
    assert refused.reason == "bad-staged"
    return None


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_was_done_to_the_file_it_is_read_or_refused_by_name(waiting: House, data: st.DataObject) -> None:
    raw = waiting.place.staged.read_bytes()
    found = read_or_refused(waiting, data.draw(mutated(raw) | json_documents(raw) | st.binary(max_size=50)))
    if found is not None:
        assert all(line.missing >= 1 for line in waits(waiting.chain, found))


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_whatever_was_done_to_a_statement_it_is_read_or_refused_by_name(waiting: House, data: st.DataObject) -> None:
    statement = waiting.staged.statements["sdk"].to_bytes()
    changed = data.draw(mutated(statement) | json_documents(statement)).decode(errors="replace")
    raw = edited(waiting, lambda it: it.update(statements={"sdk": changed}, files={}))
    found = read_or_refused(waiting, raw)
    if found is not None:
        assert all(line.missing >= 1 for line in waits(waiting.chain, found))
