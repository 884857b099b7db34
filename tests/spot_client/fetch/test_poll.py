"""What a look at the catalogue costs, over real connections; and how far a mirror gets that says nothing is new."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from spot_client.errors import NotTrusted, OutOfDate, SpotError
from spot_client.fetch.catalogue import FULL_EVERY, Catalogue
from spot_client.fetch.rules import house_rules
from spot_client.fetch.transport import Transport
from spot_client.wire.digest import sha256_hex
from spot_client.wire.index import target_path
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE
from tests.spot_client.fetch.conftest import Dialler
from tests.spot_client.fetch.server import Asked, Serve, Server, paths, problem, reply
from tests.spot_client.vendor import DAY, Vendor

TIMESTAMP = f"{METADATA_BASE}timestamp.json"
PATH = target_path("sdk", "tool")
HOUR = timedelta(hours=1)

Poll = Callable[..., Catalogue]


@pytest.fixture
def vendor() -> Vendor:
    vendor = Vendor()
    vendor.put_index("sdk/tool", b"the index")
    vendor.put_index("science/maths", b"another index")
    return vendor


@pytest.fixture
def server(serve: Serve, vendor: Vendor) -> Server:
    def behave(asked: Asked) -> bytes:
        raw = vendor.files.get(asked.path)
        if raw is None:
            return problem("404 Not Found", "not-found")
        if asked.headers.get("if-none-match") == f'"{sha256_hex(raw)}"':
            return reply("304 Not Modified", ETag=f'"{sha256_hex(raw)}"')
        return reply(body=raw, ETag=f'"{sha256_hex(raw)}"')

    return serve(behave)


@pytest.fixture
def transport(server: Server, dial: Dialler) -> Transport:
    return dial(server)


@pytest.fixture
def poll(tmp_path: Path, vendor: Vendor, server: Server, transport: Transport) -> Poll:
    """A look, as a run of SPOT makes it; `server.asked` then has what this one asked for."""

    def look(at: datetime | None = None) -> Catalogue:
        server.asked.clear()
        catalogue = Catalogue(
            tmp_path / "catalogue",
            transport,
            root=vendor.root,
            metadata_base=METADATA_BASE,
            target_base=TARGET_BASE,
            rules=house_rules,
            full_every=FULL_EVERY,
            now=lambda: at or datetime.now(UTC),
        )
        catalogue.refresh()
        return catalogue

    return look


def asked(server: Server) -> list[str]:
    """What was asked for, without the folder."""
    return [path.removeprefix(METADATA_BASE) for path in paths(server.asked)]


def lying(server: Server) -> None:
    """From now on, whatever is asked for has not changed."""
    server.behave = lambda _: reply("304 Not Modified")


def test_a_look_without_news_is_one_request_and_a_target_that_is_here_costs_none(poll: Poll, server: Server) -> None:
    assert poll().target(PATH, max_bytes=100) == b"the index"
    for _ in range(3):
        catalogue = poll()
        assert catalogue.target(PATH, max_bytes=100) == b"the index"
        assert asked(server) == ["timestamp.json"]
        assert "if-none-match" in server.asked[0].headers


def test_a_look_at_a_mirror_that_says_it_has_no_timestamp_is_not_trusted(
    poll: Poll, server: Server, vendor: Vendor
) -> None:
    poll()
    del vendor.files[f"{METADATA_BASE}timestamp.json"]
    with pytest.raises(NotTrusted, match=r"/catalogue/timestamp\.json") as failed:
        poll()
    assert failed.value.reason == "withheld"
    assert asked(server) == ["timestamp.json"]


def test_news_elsewhere_costs_four_small_requests_on_one_connection(poll: Poll, server: Server, vendor: Vendor) -> None:
    poll().target(PATH, max_bytes=100)
    vendor.repository.offer("science", target_path("science", "physics"), b"a third index")
    number = vendor.repository.products["sdk"].version
    vendor.repository.sign()
    vendor.repository.products["sdk"].version = number
    vendor.lay_out()
    poll()
    assert asked(server) == ["timestamp.json", "2.root.json", "5.snapshot.json", "5.targets.json"]
    assert sum(len(vendor.files[path]) for path in paths(server.asked) if path in vendor.files) < 10_000
    assert server.connections == 1


def test_a_timestamp_signed_anew_without_other_news_costs_two(poll: Poll, server: Server, vendor: Vendor) -> None:
    poll()
    vendor.repository._sign("timestamp", vendor.repository.timestamp)
    vendor.lay_out()
    poll()
    assert asked(server) == ["timestamp.json", "2.root.json"]
    poll()
    assert asked(server) == ["timestamp.json"]


def test_a_role_and_an_index_are_fetched_only_if_they_are_others(poll: Poll, server: Server, vendor: Vendor) -> None:
    poll().target(PATH, max_bytes=100)
    vendor.put_index("science/maths", b"another index, changed")
    assert poll().target(PATH, max_bytes=100) == b"the index"
    assert [path for path in asked(server) if "science" in path or path.startswith("targets/")] == []


def test_once_a_day_the_root_is_looked_at_whatever_the_mirror_says(poll: Poll, server: Server, vendor: Vendor) -> None:
    poll()
    with time_machine.travel(datetime.now(UTC) + FULL_EVERY - HOUR):
        poll()
        assert asked(server) == ["timestamp.json"]
    with time_machine.travel(datetime.now(UTC) + FULL_EVERY + HOUR):
        poll()
        assert asked(server) == ["2.root.json", "timestamp.json"]
        poll()
        assert asked(server) == ["timestamp.json"]


def test_a_mirror_that_never_has_news_does_not_keep_spot_from_the_daily_look(poll: Poll, server: Server) -> None:
    poll()
    lying(server)
    poll()
    assert asked(server) == ["timestamp.json"]
    with time_machine.travel(datetime.now(UTC) + FULL_EVERY + HOUR), pytest.raises(SpotError) as failed:
        poll()
    assert failed.value.reason == "bad-answer"
    assert asked(server)[0] == "2.root.json"


def test_a_mirror_that_never_has_news_does_not_hold_spot_beyond_the_expiry_of_what_it_has(
    poll: Poll, server: Server, vendor: Vendor
) -> None:
    vendor.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) + 3 * HOUR
    vendor.repository.sign()
    vendor.lay_out()
    poll()
    frozen = dict(vendor.files)
    honest = server.behave
    with time_machine.travel(datetime.now(UTC) + 4 * HOUR):
        lying(server)
        with pytest.raises(SpotError):
            poll()
        assert "if-none-match" not in server.asked[0].headers
        server.behave = honest
        vendor.files = frozen
        with pytest.raises(OutOfDate):
            poll()


def test_an_expired_snapshot_is_not_passed_over_because_the_timestamp_is_the_same(
    poll: Poll, server: Server, vendor: Vendor
) -> None:
    vendor.repository.snapshot.expires = datetime.now(UTC).replace(microsecond=0) + 3 * HOUR
    vendor.repository.sign()
    vendor.lay_out()
    poll()
    with time_machine.travel(datetime.now(UTC) + 4 * HOUR), pytest.raises(OutOfDate) as failed:
        poll()
    assert "The role snapshot" in str(failed.value)


def test_the_day_of_a_whole_look_has_its_first_moment_and_not_its_last(poll: Poll, server: Server) -> None:
    begin = datetime.now(UTC).replace(microsecond=0)
    poll(begin)
    for at in (begin, begin + FULL_EVERY - timedelta(microseconds=1)):
        poll(at)
        assert asked(server) == ["timestamp.json"]
    for at in (begin + FULL_EVERY, begin - timedelta(microseconds=1)):
        poll(at)
        assert asked(server)[0] == "2.root.json"
        poll(begin)


def test_a_timestamp_that_has_expired_by_the_clock_of_the_run_is_not_asked_about(
    poll: Poll, server: Server, vendor: Vendor
) -> None:
    end = vendor.repository.timestamp.expires = datetime.now(UTC).replace(microsecond=0) + 3 * HOUR
    vendor.repository.sign()
    vendor.lay_out()
    poll()
    poll(end - timedelta(seconds=1))
    assert "if-none-match" in server.asked[0].headers
    poll(end)
    assert all("if-none-match" not in one.headers for one in server.asked)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_what_was_damaged_here_is_fetched_again_though_nothing_is_new(
    poll: Poll, tmp_path: Path, server: Server, role: str
) -> None:
    poll()
    (tmp_path / "catalogue" / f"{role}.json").write_bytes(b"{}")
    assert poll().target(PATH, max_bytes=100) == b"the index"
    assert any(name.endswith(f"{role}.json") for name in asked(server))


def test_a_timestamp_that_was_changed_here_is_found_out_though_the_mirror_says_it_is_the_same(
    poll: Poll, tmp_path: Path, server: Server, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "spot_client.fetch.catalogue")
    poll()
    kept = tmp_path / "catalogue" / "timestamp.json"
    kept.write_bytes(kept.read_bytes().replace(b'"2027', b'"2037').replace(b'"2026', b'"2036'))
    honest = server.behave
    server.behave = lambda one: reply("304 Not Modified") if "if-none-match" in one.headers else honest(one)
    poll()
    assert kept.read_bytes() == vendor.files[TIMESTAMP]
    own = [one.getMessage() for one in caplog.records if one.name == "spot_client.fetch.catalogue"]
    assert [said.partition(": The mirror's catalogue is not")[0] for said in own] == ["what lies here is not enough"]


def test_a_root_that_came_with_a_new_timestamp_is_followed(poll: Poll, server: Server, vendor: Vendor) -> None:
    poll()
    repository = vendor.repository
    repository.root.version = 2
    repository.write("2.root.json", repository.root, "root")
    repository.sign()
    vendor.lay_out()
    poll()
    assert asked(server)[:3] == ["timestamp.json", "2.root.json", "3.root.json"]


def test_an_older_timestamp_in_answer_to_a_look_is_not_trusted(poll: Poll, vendor: Vendor) -> None:
    poll()
    older = vendor.files[TIMESTAMP]
    vendor.put_index("sdk/tool", b"a newer index")
    poll()
    vendor.files[TIMESTAMP] = older
    with pytest.raises(NotTrusted):
        poll()


def test_a_clock_that_was_set_back_leads_to_a_whole_look(poll: Poll, server: Server) -> None:
    poll()
    with time_machine.travel(datetime.now(UTC) - DAY):
        poll()
    assert asked(server)[0] == "2.root.json"
