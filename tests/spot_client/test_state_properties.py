"""state.json and identity.json, whatever stands in them: what was written is read, and all else is refused."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot_client.errors import LocalFault
from spot_client.state import ComponentState, Identity, Installed, Pinned, State, Store
from spot_client.wire import document
from spot_client.wire.sealed import Seal
from tests.drawn import json_documents, respelled
from tests.spot_client.wire.strategies import components, ids, mutated, plain_text, platforms, sha256s, versions

here = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # files are written

releases = st.builds(
    Installed,
    version=versions(),
    platform=platforms,
    manifest=st.builds(Seal, sha256s, st.integers(0, 2**50)),
    folder=plain_text,
    requires=st.dictionaries(components, plain_text, max_size=2),
)
installed = st.builds(
    ComponentState,
    current=releases,
    kept=st.lists(releases, max_size=2).map(tuple),
    seen=st.dictionaries(plain_text, sha256s, max_size=2),
)
states = st.builds(State, components=st.dictionaries(components, installed, max_size=2), owed=st.booleans())
identities = st.builds(
    Identity,
    realm=plain_text,
    customer=ids,
    mirrors=st.lists(st.builds(Pinned, plain_text, st.lists(plain_text, max_size=2).map(tuple)), max_size=2).map(tuple),
    request=plain_text,
    installation=plain_text,
)
documents = st.one_of(states, identities).map(document.encode)

RELEASE = Installed("1.0", "any", Seal("0" * 64, 1), "1.0", {"sdk/lib": ">=1"})
WHOLE = (
    document.encode(State(components={"sdk/tool": ComponentState(RELEASE, (RELEASE,), {"1.0 any": "0" * 64})})),
    document.encode(Identity("example.com", "acme", (Pinned("https://a.example", ("pin",)),), "request", "id")),
)


def read(store: Store, name: str, raw: bytes) -> document.Document | None:
    """What the file holds, which has this one spelling; None where it is refused as it should be, and left alone."""
    path = store.paths.own / name
    path.write_bytes(raw)
    try:
        found = store.state() if name == "state.json" else store.identity()
    except LocalFault as error:
        fault = error
    else:
        assert found is not None
        assert document.encode(found) == raw
        return found
    assert fault.reason == "bad-state"
    assert str(path) in str(fault)
    assert "Restore it from a backup" in str(fault) or "Use the SPOT that wrote it" in str(fault)
    assert str(fault).isprintable()
    assert path.read_bytes() == raw
    return None


@settings(here, max_examples=50)
@given(state=states, identity=identities)
def test_whatever_was_written_is_read(store: Store, state: State, identity: Identity) -> None:
    store.write_state(state)
    store.write_identity(identity)
    assert store.state() == state
    assert store.identity() == identity
    assert store.state().versions == {ref: one.current.version for ref, one in state.components.items()}


@here
@given(raw=documents)
def test_one_file_is_never_read_as_the_other(store: Store, raw: bytes) -> None:
    assert (read(store, "state.json", raw) is None) != (read(store, "identity.json", raw) is None)


@pytest.mark.parametrize("name", ["state.json", "identity.json"])
@settings(here, max_examples=300)
@given(raw=documents.flatmap(mutated) | json_documents(*WHOLE) | st.binary(max_size=50))
def test_whatever_was_done_to_a_file_it_is_a_document_or_refused_with_the_way_out(
    store: Store, name: str, raw: bytes
) -> None:
    read(store, name, raw)


@here
@given(raw=documents.flatmap(respelled))
def test_another_spelling_is_refused(store: Store, raw: bytes) -> None:
    assert read(store, "state.json", raw) is None
    assert read(store, "identity.json", raw) is None


NUMBERS = [("format", value) for value in (0, 2, -1, 2**70, "1", None, True)]
VERSIONS = [("min_spot", value) for value in ("", "x", "0.01", "v0.1", "9.0", "0" * 40, "0.1\n", 1, None, "\ud800")]
HEADERS = [*NUMBERS, *VERSIONS, ("\ud800", 1), ("Format", 1)]


@settings(here, max_examples=200)
@given(raw=documents, changed=st.sampled_from(HEADERS))
def test_a_header_of_another_form_is_refused(store: Store, raw: bytes, changed: tuple[str, object]) -> None:
    value = {**json.loads(raw), changed[0]: changed[1]}
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).replace("\ud800", "\\ud800")
    assert read(store, "state.json", text.encode()) is None
    assert read(store, "identity.json", text.encode()) is None


@here
@given(text=st.sampled_from([b"any", b"1.0", b">=1", b"sdk/lib", b"sdk/tool", b"acme", b"pin", b"request"]))
def test_half_a_surrogate_pair_is_refused_wherever_it_stands(store: Store, text: bytes) -> None:
    for name, raw in zip(("state.json", "identity.json"), WHOLE, strict=True):
        if text in raw:
            assert read(store, name, raw.replace(text, rb"\ud800", 1)) is None


@here
@given(raw=documents, cut=st.integers(1, 2**10))
def test_a_file_that_was_cut_short_is_never_read(store: Store, raw: bytes, cut: int) -> None:
    assert read(store, "state.json", raw[: -1 - cut % len(raw)]) is None
    assert read(store, "identity.json", raw[: -1 - cut % len(raw)]) is None


def test_the_documents_that_are_changed_are_whole(store: Store) -> None:
    assert isinstance(read(store, "state.json", WHOLE[0]), State)
    assert isinstance(read(store, "identity.json", WHOLE[1]), Identity)
