"""The mirrors that SPOT asks, and the pins that it believes: from the bundle, and then from the signed list alone."""

from datetime import timedelta
from itertools import count as steps
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from ca.bundle import encode
from ca.profiles import CLIENT, SERVER
from ca.subjects import Hosts
from spot_client import enrol as enrolment
from spot_client import mirrors
from spot_client.config import Paths
from spot_client.errors import LocalFault, NotReachable
from spot_client.fetch.catalogue import Catalogue
from spot_client.mirrors import Source
from spot_client.state import Pinned, Store
from spot_client.wire import trust
from spot_client.wire.routes import METADATA_BASE, TARGET_BASE
from tests.ca.house import HOSTS, NOW, House, client, key_pem, pem_of, sign
from tests.spot_client.desk import TWO, Desk
from tests.spot_client.fetch.server import Asked, problem, reply
from tests.spot_client.installation import IDENTITY, TOOL
from tests.spot_client.killing import killed
from tests.spot_client.running import Listener
from tests.spot_client.trusting import listed, mirror, new_server, publish, show
from tests.spot_client.vendor import Line, Vendor

GONE = "https://127.0.0.1:1"
"""Where nothing listens."""


def url_of(desk: Desk) -> str:
    return f"https://127.0.0.1:{desk.server.port}"


def told(desk: Desk) -> tuple[str, list[str]]:
    """Where the list comes from, and its URLs."""
    found = desk.reads("status")
    return found["mirrors_from"], [one["url"] for one in found["mirrors"]]


def taken(desk: Desk, raw: bytes) -> str:
    """Publish a list and let SPOT look; what it says about it."""
    publish(desk.vendor, raw)
    code, out, err = desk("check", TOOL)
    assert code == 0
    return out + err


# What the signed list does


def test_without_a_signed_list_the_bundles_mirrors_hold(enrolled: Desk) -> None:
    enrolled.says("install", TOOL)
    assert told(enrolled) == ("bundle", [url_of(enrolled)])
    assert not (enrolled.root / ".spot/mirrors.json").exists()


@pytest.mark.parametrize("which", ["next", "backup"])
def test_a_server_may_change_to_a_certificate_that_was_listed_before(
    enrolled: Desk, house: House, tmp_path: Path, which: str
) -> None:
    """`next` as planned; `backup` on the day when the other keys are lost, before anything new could be signed."""
    desk, following, backup = enrolled, new_server(house), new_server(house)
    said = taken(desk, listed(mirror(url_of(desk), house.server, following, backup)))
    assert f"Your vendor's list of mirrors has changed. From the next run on: {url_of(desk)}." in said
    show(desk.server, house, {"next": following, "backup": backup}[which], tmp_path)
    desk.says("install", TOOL)
    assert told(desk) == ("catalogue", [url_of(desk)])


def test_a_certificate_that_is_not_listed_any_more_is_not_believed_any_more(
    enrolled: Desk, house: House, tmp_path: Path
) -> None:
    following = new_server(house)
    taken(enrolled, listed(mirror(url_of(enrolled), following)))
    code, said = enrolled.fails("check", TOOL)
    assert code == 3
    assert "not the one your vendor pinned" in said
    show(enrolled.server, house, following, tmp_path)
    enrolled.says("check", TOOL)


def test_mirrors_are_asked_in_the_order_of_the_list(enrolled: Desk, house: House) -> None:
    desk = enrolled
    taken(desk, listed(mirror(GONE, house.server), mirror(url_of(desk), house.server)))
    assert told(desk) == ("catalogue", [GONE, url_of(desk)])
    desk.says("install", TOOL)


def test_a_list_is_told_of_once_and_fetched_once(enrolled: Desk, house: House) -> None:
    raw = listed(mirror(url_of(enrolled), house.server))
    assert "has changed" in taken(enrolled, raw)
    enrolled.server.asked.clear()
    assert "has changed" not in enrolled.says("check", TOOL)
    assert not [one for one in enrolled.server.asked if "house" in one.path]


def test_a_list_that_vanishes_changes_nothing(enrolled: Desk, house: House) -> None:
    taken(enrolled, listed(mirror(GONE, house.server), mirror(url_of(enrolled), house.server)))
    del enrolled.vendor.repository.products["house"].targets[trust.PATH]
    enrolled.vendor.publish(TWO, "2.0")
    enrolled.says("check", TOOL)
    assert told(enrolled)[1] == [GONE, url_of(enrolled)]


# What it cannot do


def bad_lists(house: House) -> dict[str, tuple[bytes, str]]:
    """Lists that people signed by mistake, and what SPOT says of them."""
    good = mirror("https://127.0.0.1:8443", house.server)
    elsewhere = sign(house.keys["leaf"], Hosts("mirror-2", ("x.example",)), SERVER, house.issuing.issuer)
    two = good.current * 2

    def one(**change: object) -> bytes:
        return listed(msgspec.structs.replace(good, **change))

    return {
        "a CA as a pin": (one(current=pem_of(house.issuing.certificate).decode()), "pin-is-ca"),
        "a CA as the backup": (one(backup=pem_of(house.root.certificate).decode()), "pin-is-ca"),
        "a client's certificate": (one(next=pem_of(house.client.certificate).decode()), "not-a-server"),
        "a certificate for another host": (one(next=pem_of(elsewhere.certificate).decode()), "not a certificate for"),
        "two certificates in one pin": (one(next=two), "more than one certificate"),
        "no certificate": (one(current="pin"), "no-pins"),
        "one bad mirror of two": (listed(good, mirror("https://other.example", house.server)), "other.example"),
        "a path": (_raw(good.url, "https://127.0.0.1:8443/x", one()), "shape"),
        "credentials": (_raw(good.url, "https://u:p@127.0.0.1", one()), "shape"),
        "no TLS": (_raw(good.url, "http://127.0.0.1:8443", one()), "shape"),
        "a port of 0": (one(url="https://127.0.0.1:0"), "not of the form"),
        "a port beyond": (one(url="https://127.0.0.1:65536"), "not of the form"),
        "capitals": (one(url="https://LOCALHOST"), "not of the form"),
        "no host": (one(url="https://:443"), "not of the form"),
        "twice": (listed(good, good), "twice"),
        "none": (b'{"format":1,"min_spot":"0.1","mirrors":[]}', "shape"),
        "a later format": (one().replace(b'"format":1', b'"format":2'), "Update SPOT"),
        "no list": (b"\x00", "not JSON"),
        "too long": (b" " * (trust.MAX_BYTES + 1), "does not accept"),
    }


def _raw(old: str, new: str, raw: bytes) -> bytes:
    return raw.replace(old.encode(), new.encode())


def test_a_list_that_breaks_a_rule_is_refused_whole_and_the_last_good_one_stays(enrolled: Desk, house: House) -> None:
    desk = enrolled
    taken(desk, listed(mirror(GONE, house.server), mirror(url_of(desk), house.server)))
    before = (desk.root / ".spot/mirrors.json").read_bytes()
    for name, (raw, why) in bad_lists(house).items():
        said = taken(desk, raw)
        assert "spot: The signed list of mirrors is not taken over, and the one before it stays: " in said, name
        assert why in said, (name, said)
        assert (desk.root / ".spot/mirrors.json").read_bytes() == before, name


def test_a_list_that_breaks_a_rule_does_not_stop_an_update(enrolled: Desk, house: House) -> None:
    publish(enrolled.vendor, bad_lists(house)["a CA as a pin"][0])
    code, out, err = enrolled("install", TOOL)
    assert (code, out.endswith(f"{TOOL} is now 1.0.\n")) == (0, True)
    assert err.count("\n") == 1


def test_a_list_that_cannot_be_fetched_does_not_stop_an_update(enrolled: Desk, house: House) -> None:
    publish(enrolled.vendor, listed(mirror(GONE, house.server)))
    enrolled.refusal = ("/catalogue/2.house.json", problem("403 Forbidden", "not-licensed"))
    code, _, err = enrolled("install", TOOL)
    assert code == 0
    assert "is not taken over" in err
    assert told(enrolled)[0] == "bundle"


@pytest.mark.parametrize(
    ("role", "paths"),
    [("sdk", ["sdk/*/index.json.zst"]), ("halts", ["halts/*.json.zst"])],
)
def test_a_list_that_another_role_signed_is_none(enrolled: Desk, house: House, role: str, paths: list[str]) -> None:
    """A stolen key of a product, or that of `halts`."""
    publish(enrolled.vendor, listed(mirror(GONE, house.server)), role, *paths)
    enrolled.says("check", TOOL)
    assert told(enrolled) == ("bundle", [url_of(enrolled)])


def test_a_role_that_might_sign_a_list_beside_its_own_files_is_refused(enrolled: Desk, house: House) -> None:
    publish(enrolled.vendor, listed(mirror(GONE, house.server)), "tools", "tools/*", "*.json")
    code, _, _ = enrolled("check", TOOL)
    assert code == 3
    assert told(enrolled) == ("bundle", [url_of(enrolled)])


def test_a_list_that_one_key_of_another_role_signed_in_the_name_of_house_is_refused(
    enrolled: Desk, house: House
) -> None:
    repository = enrolled.vendor.repository
    publish(enrolled.vendor, listed(mirror(url_of(enrolled), house.server)))
    repository.signers["house"] = repository.signers["sdk"]
    said = taken(enrolled, listed(mirror(GONE, house.server)))
    assert "is not taken over" in said
    assert told(enrolled) == ("bundle", [url_of(enrolled)])


def test_an_older_list_does_not_come_back(enrolled: Desk, house: House) -> None:
    """By a mirror that keeps it (the snapshot names a newer one), and by stolen online keys that name it again."""
    desk, repository = enrolled, enrolled.vendor.repository
    publish(desk.vendor, listed(mirror(GONE, house.server), mirror(url_of(desk), house.server)))
    older = repository.metadata[f"{repository.products['house'].version}.house.json"]
    taken(desk, listed(mirror(url_of(desk), house.server)))
    publish(desk.vendor, listed(mirror(url_of(desk), house.server, new_server(house))))
    newer = f"/catalogue/{repository.products['house'].version}.house.json"
    desk.refusal = (newer, reply(body=older))
    code, _, err = desk("check", TOOL)
    assert (code, "is not taken over" in err) == (0, True)
    desk.refusal = ("nothing", b"")
    repository.sign()
    repository.snapshot.meta["house.json"].version -= 2
    repository.snapshot.version += 1
    repository.write(f"{repository.snapshot.version}.snapshot.json", repository.snapshot, "snapshot")
    repository.timestamp.snapshot_meta.version = repository.snapshot.version
    repository.timestamp.snapshot_meta.hashes = repository.timestamp.snapshot_meta.length = None
    repository.timestamp.version += 1
    repository.write("timestamp.json", repository.timestamp, "timestamp")
    desk.vendor.lay_out()
    code, said = desk.fails("check", TOOL)
    assert code == 3
    assert "house" in said
    assert told(desk) == ("catalogue", [url_of(desk)])


@pytest.mark.parametrize(
    "answer",
    [
        reply("307 Temporary Redirect", Location=f"{GONE}/catalogue/timestamp.json"),
        reply("301 Moved Permanently", Location=f"{GONE}/", Alt_Svc='h3=":1"; ma=9999999; persist=1'),
        problem("403 Forbidden", "revoked", f"Use {GONE} from now on."),
        problem("421 Misdirected Request", "moved", GONE),
    ],
)
def test_nothing_else_that_a_mirror_says_changes_a_mirror(enrolled: Desk, answer: bytes) -> None:
    enrolled.refusal = ("/catalogue/timestamp.json", answer)
    assert enrolled("check", TOOL)[0] in {4, 12}
    assert told(enrolled) == ("bundle", [url_of(enrolled)])
    assert {one.headers["host"] for one in enrolled.server.asked} == {f"127.0.0.1:{enrolled.server.port}"}


def test_an_alternative_service_is_not_listened_to(enrolled: Desk) -> None:
    behave = enrolled.server.behave

    def with_header(asked: Asked) -> bytes:
        answer = behave(asked)
        assert isinstance(answer, bytes)
        return answer.replace(b"\r\n", b'\r\nAlt-Svc: h2="127.0.0.1:1"; persist=1\r\n', 1)

    enrolled.server.behave = with_header
    enrolled.says("install", TOOL)
    assert told(enrolled) == ("bundle", [url_of(enrolled)])


# Enrolled again


def bundle_again(desk: Desk, name: str, *, later: int = 1) -> str:
    """Another bundle of the customer, made by the CA `later` minutes after the first, with a mirror that is gone."""
    now = NOW + timedelta(minutes=later)
    party = sign(desk.house.keys["leaf"], client("acme"), CLIENT, desk.house.issuing.issuer, now)
    bundle = msgspec.structs.replace(
        desk.bundle(),
        client_certificate=pem_of(party.certificate).decode(),
        client_key=key_pem(party.key).decode(),
        mirrors=tuple(msgspec.structs.replace(one, url=GONE) for one in desk.bundle().mirrors),
    )
    (desk.folder / name).write_bytes(encode(bundle))
    return str(desk.folder / name)


def test_a_bundle_does_not_bring_back_a_mirror_that_the_signed_list_left_out(enrolled: Desk, house: House) -> None:
    """Newer credentials say nothing about the age of the mirrors beside them; an old bundle with --force less so."""
    desk = enrolled
    taken(desk, listed(mirror(url_of(desk), house.server)))
    said = desk.says("enrol", bundle_again(desk, "newer"))
    assert "The mirrors stay those of the signed catalogue" in said
    assert told(desk) == ("catalogue", [url_of(desk)])
    desk.says("enrol", bundle_again(desk, "older", later=-5), "--force")
    assert told(desk) == ("catalogue", [url_of(desk)])
    desk.says("check", TOOL)


def test_a_person_can_go_back_to_the_bundles_mirrors_until_there_is_another_list(
    enrolled: Desk, house: House, tmp_path: Path
) -> None:
    """All that the list named is lost: the vendor sends a bundle for a new mirror, and signs a new list there."""
    desk, lost = enrolled, new_server(house)
    taken(desk, listed(mirror(GONE, lost)))
    assert desk("check", TOOL)[0] == 4
    desk.says("enrol", str(desk.folder / "acme.bundle"), "--bundle-mirrors")
    assert told(desk) == ("bundle", [url_of(desk)])
    desk.says("check", TOOL)
    assert told(desk) == ("bundle", [url_of(desk)]), "the list that was passed over is still the catalogue's"
    taken(desk, listed(mirror(url_of(desk), house.server)))
    assert told(desk) == ("catalogue", [url_of(desk)])


def test_without_a_signed_list_there_is_nothing_to_pass_over(enrolled: Desk) -> None:
    enrolled.says("enrol", str(enrolled.folder / "acme.bundle"), "--bundle-mirrors")
    assert not (enrolled.root / ".spot/mirrors.json").exists()


def test_a_first_enrolment_forgets_mirrors_that_were_signed_under_another_root(enrolled: Desk, house: House) -> None:
    taken(enrolled, listed(mirror(GONE, house.server)))
    (enrolled.root / ".spot/identity.json").unlink()
    enrolled.says("enrol", str(enrolled.folder / "acme.bundle"))
    assert told(enrolled) == ("bundle", [url_of(enrolled)])


# What people see


def test_the_status_says_where_the_mirrors_come_from_and_when_the_pins_end(enrolled: Desk, house: House) -> None:
    desk = enrolled
    day = f"{house.server.certificate.not_valid_after_utc:%Y-%m-%d}"
    said = desk.says("status")
    assert f"Mirror:        {url_of(desk)} (pins good until {day})\n" in said
    assert "Mirrors from:  the bundle\n" in said
    taken(desk, listed(mirror(url_of(desk), house.server, new_server(house))))
    said = desk.says("status")
    assert f"(pins good until {day}, {day})\n" in said
    assert "Mirrors from:  the signed catalogue\n" in said
    assert len(desk.reads("status")["mirrors"][0]["pins_until"]) == 2


def test_it_is_warned_of_while_there_is_time_that_all_pins_of_a_mirror_end(enrolled: Desk, house: House) -> None:
    certificate = house.server.certificate
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    for moment, said in (
        (certificate.not_valid_after_utc - life / 4, f"may show end by {certificate.not_valid_after_utc:%Y-%m-%d}"),
        (certificate.not_valid_after_utc + timedelta(days=1), "may show ended on"),
    ):
        with time_machine.travel(moment, tick=False):
            code, _, err = enrolled("status")
        assert code == 0
        assert said in err


def test_one_pin_that_holds_is_enough(house: House) -> None:
    longer = sign(house.keys["leaf"], HOSTS, SERVER, house.issuing.issuer, NOW + timedelta(days=600))
    pins = tuple(pem_of(one.certificate).decode() for one in (house.server, longer))
    soon = house.server.certificate.not_valid_after_utc - timedelta(days=1)
    assert list(mirrors.warnings([Pinned("https://localhost", pins)], soon)) == []
    assert len(list(mirrors.warnings([Pinned("https://localhost", pins[:1])], soon))) == 1


def test_pins_that_nobody_can_read_are_told_and_not_warned_of() -> None:
    assert mirrors.ends(Pinned("https://localhost", ("pin",))) == ()
    assert list(mirrors.warnings([Pinned("https://localhost", ("pin",))], NOW)) == []


# On the disk


def test_a_damaged_file_of_mirrors_is_told_and_not_passed_over(enrolled: Desk) -> None:
    """Else whoever damages it goes back to the bundle's mirrors."""
    (enrolled.root / ".spot/mirrors.json").write_bytes(b"{}")
    code, said = enrolled.fails("check", TOOL)
    assert code == LocalFault.exit_code
    assert "mirrors.json" in said


@given(raw=st.binary(max_size=200))
def test_no_bytes_are_taken_over_that_are_no_list(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = Store(Paths(tmp_path_factory.mktemp("root")))
    (store.paths.own).mkdir()
    heard = Listener()

    class One:
        def target(self, path: str, *, max_bytes: int) -> bytes | None:
            assert (path, max_bytes) == (trust.PATH, trust.MAX_BYTES)
            return raw

    mirrors.take_over(store, One(), heard)
    assert store.signed_mirrors() is None
    assert len(heard.warned) == 1


@pytest.mark.slow
def test_killed_before_any_change_to_a_file_one_whole_list_holds(
    tmp_path: Path, house: House, vendor: Vendor, line: Line
) -> None:
    lists = [listed(mirror(f"https://localhost:{port}", house.server)) for port in (1, 2)]
    found = set()
    for step in steps(1):
        store = Store(Paths(tmp_path / f"root-{step}"))
        store.paths.own.mkdir(parents=True)
        publish(vendor, lists[0])
        look(store, vendor, line)
        publish(vendor, lists[1])
        was_killed = killed(lambda: look(store, vendor, line), store.paths.root, step)  # noqa: B023  at once
        found.add(mirrors.in_force(store, IDENTITY)[0].url)
        with store.lock():
            look(store, vendor, line)
        assert [one.url for one in mirrors.in_force(store, IDENTITY)] == ["https://localhost:2"]
        assert not list(store.paths.own.glob(".*.part"))
        if not was_killed:
            break
    assert found == {"https://localhost:1", "https://localhost:2"}
    assert step > 5


def look(store: Store, vendor: Vendor, line: Line) -> None:
    """A run of SPOT, as far as mirrors go."""
    catalogue = Catalogue(
        store.paths.own / "catalogue", line, root=vendor.root, metadata_base=METADATA_BASE, target_base=TARGET_BASE
    )
    catalogue.refresh()
    mirrors.take_over(store, catalogue, Listener())


@pytest.mark.slow
def test_killed_at_any_step_an_enrolment_that_goes_back_to_the_bundles_mirrors_ends_there_when_it_is_repeated(
    enrolled: Desk, house: House
) -> None:
    desk = enrolled
    taken(desk, listed(mirror(GONE, house.server)))
    store = Store(Paths(desk.root))
    bundle, identity, signed = desk.bundle(), store.enrolled(), store.signed_mirrors()

    def go_back() -> None:
        enrolment.enrol(store, bundle, request="r" * 32, connect=_down, bundle_mirrors=True)

    for step in steps(1):
        store.write_identity(msgspec.structs.replace(identity, mirrors=()))
        store.write_signed_mirrors(signed)
        was_killed = killed(go_back, desk.root, step)
        assert mirrors.in_force(store, store.enrolled())
        go_back()
        assert mirrors.source(store) is Source.BUNDLE
        assert [one.url for one in mirrors.in_force(store, store.enrolled())] == [url_of(desk)]
        if not was_killed:
            break
    assert step > 5


def _down(_: object) -> NoReturn:
    raise NotReachable("no-answer", "down")
