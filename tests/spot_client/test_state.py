"""What SPOT remembers is whole or refused with a way out; and one SPOT at a time changes it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from spot_client.config import Paths
from spot_client.errors import Busy, LocalFault, NotEnrolled
from spot_client.state import MAX_BYTES, ComponentState, Identity, Installed, State, Store
from spot_client.wire.sealed import Seal
from tests.spot_client.installation import IDENTITY

RELEASE = Installed("1.0", "any", Seal("0" * 64, 1), "1.0")
STATE = State(components={"sdk/tool": ComponentState(RELEASE, (msgspec.structs.replace(RELEASE, version="0.9"),))})

HOLD = (
    "import sys, pathlib; from spot_client.config import Paths; from spot_client.state import Store\n"
    "with Store(Paths(pathlib.Path(sys.argv[1]))).lock():\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


def fault(store: Store, name: str, raw: bytes) -> LocalFault:
    (store.paths.own / name).write_bytes(raw)
    with pytest.raises(LocalFault) as failed:
        store.identity() if name == "identity.json" else store.state()
    assert str(store.paths.own / name) in str(failed.value)
    assert failed.value.reason == "bad-state"
    assert (store.paths.own / name).read_bytes() == raw
    return failed.value


def test_what_was_written_is_read(store: Store) -> None:
    assert store.identity() is None
    assert store.state() == State()
    store.write_identity(IDENTITY)
    store.write_state(STATE)
    assert store.identity() == store.enrolled() == IDENTITY
    assert store.state() == STATE
    assert store.state().versions == {"sdk/tool": "1.0"}


def test_what_was_written_is_for_its_owner_only(store: Store) -> None:
    store.write_identity(IDENTITY)
    store.write_state(STATE)
    assert {path.stat().st_mode & 0o777 for path in store.paths.own.iterdir()} == {0o600}


def test_an_installation_without_an_id_is_not_enrolled(store: Store) -> None:
    for identity in (None, msgspec.structs.replace(IDENTITY, installation="")):
        if identity is not None:
            store.write_identity(identity)
        with pytest.raises(NotEnrolled) as refused:
            store.enrolled()
        assert "spot enrol BUNDLE" in str(refused.value)


@pytest.mark.parametrize("name", ["identity.json", "state.json"])
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"\0" * 4096,
        b'{"format":1,"min_spot":"0.1","unknown":1}',
        b'{"components":{},"components":{},"format":1,"min_spot":"0.1","owed":false}',
        b" " * (MAX_BYTES + 1),
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_refused_with_the_way_out_and_left_as_it_is(store: Store, name: str, raw: bytes) -> None:
    assert "Restore it from a backup" in str(fault(store, name, raw))


@pytest.mark.parametrize("name", ["identity.json", "state.json"])
def test_a_file_of_a_newer_spot_is_refused_with_the_way_out(store: Store, name: str) -> None:
    newer = b'{"format":2,"min_spot":"9.0","things":["that this SPOT does not know"]}'
    assert "Use the SPOT that wrote it, or a newer one." in str(fault(store, name, newer))


def test_fields_have_the_names_that_later_versions_will_find(store: Store) -> None:
    store.write_state(msgspec.structs.replace(STATE, owed=True))
    assert (store.paths.own / "state.json").read_bytes() == (
        b'{"components":{"sdk/tool":{"current":{"folder":"1.0","manifest":{"head":"' + b"0" * 64 + b'","length":1},'
        b'"platform":"any","version":"1.0"},"kept":[{"folder":"1.0","manifest":{"head":"' + b"0" * 64 + b'",'
        b'"length":1},"platform":"any","version":"0.9"}],"seen":{}}},"format":1,"min_spot":"0.1","owed":true}'
    )
    fields = {"realm", "customer", "mirrors", "request", "installation", "format", "min_spot"}
    assert set(Identity.__struct_fields__) == fields


def holder(store: Store) -> "subprocess.Popen[str]":
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(store.paths.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_spot_is_told_which_process_is_at_work(store: Store) -> None:
    with holder(store) as process:
        with pytest.raises(Busy) as busy, store.lock():
            pass
        assert f"process {process.pid}" in str(busy.value)
        process.communicate("")
    with store.lock():
        assert (store.paths.own / "lock.pid").read_text() == f"{os.getpid()}\n"


def test_the_lock_of_a_killed_process_is_free(store: Store) -> None:
    with holder(store) as process:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with store.lock():
        pass


def test_a_lock_is_free_again_after_a_failure(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock():
        raise ZeroDivisionError
    with store.lock():
        pass


def test_a_garbled_note_of_who_holds_the_lock_does_not_matter(store: Store) -> None:
    with store.lock():
        (store.paths.own / "lock.pid").write_bytes(b"\xff\xfe")
        with pytest.raises(Busy), Store(store.paths).lock():
            pass


def test_the_lock_makes_the_folder_it_needs_for_its_owner_only(tmp_path: Path) -> None:
    with Store(Paths(tmp_path / "new" / "root")).lock():
        assert (tmp_path / "new" / "root" / ".spot").stat().st_mode & 0o777 == 0o700


def test_what_a_killed_run_was_writing_is_removed_before_the_next_works(store: Store) -> None:
    """`durable.write` leaves `.NAME.part`, python-tuf `tmp…`: a private key may stand in the first."""
    catalogue = store.paths.own / "catalogue"
    (catalogue / "targets" / "sdk").mkdir(parents=True)
    left = [
        store.paths.own / ".client.pem.part",
        catalogue / "targets" / "sdk" / ".index.json.zst.part",
        catalogue / "tmpabc123",
    ]
    kept = [store.paths.own / "client.pem", catalogue / "tmpl.json", catalogue / "timestamp.json"]
    for path in (*left, *kept):
        path.touch()
    with store.lock():
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in kept)
