"""A certificate of the installation's own: from the bundle's to it, from it to the next, and what stands in the way.

Everything is real: the command line, TLS, the CA that signs. The mirror answers by the contract (`office`)."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ca.bundle import encode
from ca.identity import Identity, Role
from ca.issue import Request, issue
from ca.profiles import CLIENT, SERVER, Profile
from ca.subjects import Hosts
from spot_client import certificate, pending
from spot_client.certificate import Kind
from spot_client.compose import open_renewer
from spot_client.config import Paths, Settings
from spot_client.renewed import State
from spot_client.state import Store
from tests.ca.house import HOSTS, REALM, House, Party, der_of, key_pem, make_house, pem_of
from tests.spot_client.desk import TWO, Desk
from tests.spot_client.fetch.server import Asked, problem, reply
from tests.spot_client.killing import killed
from tests.spot_client.office import DAY, ENROL_PATH, REENROL_PATH, Office, party
from tests.spot_client.vendor import MINTED

TOOL = "sdk/tool"
OWN_URI = f"spiffe://{REALM}/client/acme/{MINTED}"


@pytest.fixture
def office(desk: Desk) -> Office:
    return Office(desk.house).open(desk)


def bundled(desk: Desk, carried: Party) -> str:
    """The path of a bundle with this certificate."""
    path = desk.folder / f"{carried.certificate.serial_number}.bundle"
    pem, key = pem_of(carried.certificate).decode(), key_pem(carried.key).decode()
    path.write_bytes(encode(msgspec.structs.replace(desk.bundle(), client_certificate=pem, client_key=key)))
    return str(path)


def held(desk: Desk) -> certificate.Held:
    found = certificate.held(desk.root / ".spot/client.pem")
    assert found is not None
    return found


def left(desk: Desk) -> set[str]:
    """What there is of a request."""
    return {path.name for path in (desk.root / ".spot").iterdir() if path.name.startswith((".next", "next"))}


@pytest.fixture
def waiting(desk: Desk, office: Office) -> Desk:
    """Enrolled with a customer's certificate; its own is not signed yet."""
    told = desk.says("enrol", bundled(desk, party(desk.house, Role.CLIENT, 100 * DAY)))
    assert "Certificate: waiting for your vendor" in told
    return desk


@pytest.fixture
def own(waiting: Desk, office: Office) -> Desk:
    """It has its own."""
    office.signs = True
    waiting.says("renew", "--now")
    assert held(waiting).kind is Kind.OWN
    return waiting


def test_an_enrolment_can_wait_until_the_vendor_has_signed(desk: Desk, office: Office) -> None:
    office.retry_after = "1"
    inner = office.est

    def later(asked: Asked) -> bytes:
        office.signs = len(office.bodies) > 1
        return inner(asked)

    desk.est = later
    told = desk.says("enrol", bundled(desk, party(desk.house, Role.ENROL, 90 * DAY)), "--wait", "1")
    assert "this installation's own is in use from now on" in told
    assert held(desk).kind is Kind.OWN
    assert len({body for _, body in office.bodies}) == 1


def test_whoever_waits_for_a_vendor_that_does_not_sign_in_time_is_told_so(desk: Desk, office: Office) -> None:
    office.retry_after = "3600"
    code, said = desk.fails("enrol", bundled(desk, party(desk.house, Role.CLIENT, 100 * DAY)), "--wait", "1")
    assert code == 14
    assert "has not signed within 1 minutes" in said
    assert left(desk) == {"next.json"}


# From the bundle's to its own


def test_enrolment_asks_at_once_for_a_certificate_that_names_this_installation_alone(
    waiting: Desk, office: Office
) -> None:
    assert [path for path, _ in office.bodies] == [ENROL_PATH]
    assert left(waiting) == {"next.json"}
    assert (waiting.root / ".spot/next.json").stat().st_mode & 0o777 == 0o600
    found = waiting.reads("status")
    assert (found["certificate_kind"], found["certificate_refused"]) == ("package", None)
    assert f"asked for since {found['certificate_asked_for']}" in waiting.says("status")


def test_until_it_has_come_the_bundles_is_used_and_the_mirror_is_left_alone_as_long_as_it_asked(
    waiting: Desk, office: Office
) -> None:
    waiting.says("install", TOOL)
    assert len(office.bodies) == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        waiting.says("check")
    assert len(office.bodies) == 2
    assert len(set(office.bodies)) == 1


def test_the_run_after_it_was_signed_picks_it_up_and_goes_on_with_it(waiting: Desk, office: Office) -> None:
    waiting.says("install", TOOL)
    office.signs = True
    waiting.vendor.publish(TWO, "2.0")
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        assert "this installation's own is in use from now on" in waiting.says("update")
    assert len(set(office.bodies)) == 1
    assert held(waiting).identity.uri == OWN_URI
    assert left(waiting) == set()
    assert waiting.server.asked[-1].method == "PUT"
    assert waiting.server.asked[-1].peer in office.given.values()
    assert "this installation alone" in waiting.says("status")


def test_the_key_is_made_here_and_the_bundles_is_gone(own: Desk, office: Office) -> None:
    (given,) = office.given.values()
    assert x509.load_der_x509_certificate(given).public_key() != own.house.keys["leaf"].public_key()
    assert key_pem(own.house.keys["leaf"]) not in (own.root / ".spot/client.pem").read_bytes()
    assert (own.root / ".spot/client.pem").stat().st_mode & 0o777 == 0o600


def test_one_that_is_signed_at_once_is_in_use_when_the_enrolment_ends(desk: Desk, office: Office) -> None:
    office.signs = True
    assert "own is in use from now on" in desk.says("enrol", str(desk.folder / "acme.bundle"))
    assert held(desk).kind is Kind.OWN


def test_the_same_bundle_once_more_changes_nothing_of_an_own_certificate(own: Desk, office: Office) -> None:
    before, asked = (own.root / ".spot/client.pem").read_bytes(), len(office.bodies)
    own.says("enrol", str(own.folder / "acme.bundle"))
    own.says("enrol", bundled(own, party(own.house, Role.CLIENT, 300 * DAY)))
    assert (own.root / ".spot/client.pem").read_bytes() == before
    assert len(office.bodies) == asked


def test_where_the_own_is_revoked_a_newer_bundle_takes_its_place_under_another_id(own: Desk, office: Office) -> None:
    """For the old id the mirror takes nothing but the certificate that was revoked."""
    own.says("install", TOOL)
    office.revoked |= {x509.load_der_x509_certificate(given).serial_number for given in office.given.values()}
    code, said = own.fails("check", TOOL)
    assert (code, "new bundle" in said) == (12, True)
    with time_machine.travel(datetime.now(UTC) + DAY):
        newer = bundled(own, party(own.house, Role.CLIENT, 100 * DAY))
        assert "own is in use from now on" in own.says("enrol", newer)
        own.says("update")
    assert len(office.ids) == 2
    assert held(own).identity.installation == [*office.ids.values()][1] != MINTED
    assert own.reads("status")["thin_snapshot"]["owed"] is False


def test_where_the_own_was_lost_the_bundle_brings_another_id(own: Desk, office: Office) -> None:
    """What is here was restored from before, and the request is gone, too."""
    bundle = str(own.folder / "acme.bundle")
    carried = own.house.client
    (own.root / ".spot/client.pem").write_bytes(key_pem(carried.key) + pem_of(carried.certificate))
    code, _, err = own("renew")
    assert (code, "enrol with a bundle" in err) == (12, True)
    own.says("enrol", bundle)
    assert held(own).identity.installation != MINTED
    own.says("install", TOOL)


def test_force_takes_the_bundles_in_place_of_an_own_one(own: Desk, office: Office) -> None:
    office.signs = False
    own.says("enrol", str(own.folder / "acme.bundle"), "--force")
    assert held(own).kind is Kind.PACKAGE
    own.says("install", TOOL)
    assert len(office.ids) == 2


@pytest.mark.slow
def test_killed_while_a_bundle_takes_the_place_of_an_own_one_the_same_command_goes_on(
    own: Desk, office: Office
) -> None:
    office.signs = False
    start, bundle = own.folder / "start", str(own.folder / "acme.bundle")
    shutil.copytree(own.root, start)
    step, died = 0, True
    while died:
        step += 1
        own.root = own.folder / f"root{step}"
        shutil.copytree(start, own.root)
        died = killed(lambda: own("enrol", bundle, "--force"), own.root, step)
        own.says("enrol", bundle, "--force")
        assert held(own).kind is Kind.PACKAGE
        assert Store(Paths(own.root)).enrolled().installation != MINTED
        own.says("thin-snapshot")


# A bundle that can only enrol


def test_with_a_bundle_that_only_enrols_nothing_else_is_done_until_the_own_has_come(desk: Desk, office: Office) -> None:
    told = desk.says("enrol", bundled(desk, party(desk.house, Role.ENROL, 90 * DAY)))
    assert "waiting for your vendor" in told
    for command in (["update"], ["check"], ["install", TOOL], ["list", "--available"]):
        code, said = desk.fails(*command)
        assert code == 14
        assert "can do nothing but enrol" in said
    assert desk.reads("update", code=14)["error"]["reason"] == "certificate-waiting"
    assert "enrolment only" in desk.says("status")
    office.signs = True
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        desk.says("install", TOOL)
    assert held(desk).kind is Kind.OWN
    assert {asked.path for asked in desk.server.asked if read_role(asked) is Role.ENROL} == {
        "/installations",
        ENROL_PATH,
    }


def read_role(asked: Asked) -> Role:
    loaded = x509.load_der_x509_certificate(asked.peer)
    names = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return Role(names.get_values_for_type(x509.UniformResourceIdentifier)[0].split("/")[3])


def test_what_needs_no_network_works_while_it_waits(desk: Desk, office: Office) -> None:
    desk.says("enrol", bundled(desk, party(desk.house, Role.ENROL, 90 * DAY)))
    asked = len(desk.server.asked)
    for command in (["verify"], ["status"], ["history"], ["renew", "--dry-run"]):
        assert desk(*command)[0] == 0
    assert len(desk.server.asked) == asked


def test_a_refused_request_of_a_bundle_that_only_enrols_is_a_failure_of_the_enrolment(
    desk: Desk, office: Office
) -> None:
    office.denied = True
    code, _, err = desk("enrol", bundled(desk, party(desk.house, Role.ENROL, 90 * DAY)))
    assert code == 12
    assert "spot renew --again" in err


def test_with_an_old_mirror_a_bundle_that_only_enrols_is_good_for_nothing_and_that_is_said(desk: Desk) -> None:
    code, _, err = desk("enrol", bundled(desk, party(desk.house, Role.ENROL, 90 * DAY)))
    assert (code, "Traceback" in err) == (12, False)
    code, said = desk.fails("update")
    assert code == 12
    assert "Ask your vendor for a bundle of the other kind" in said


# Renewal


def due_soon(own: Desk, office: Office, *, left: timedelta) -> None:
    """Have it a certificate that began long ago, of which so much is left."""
    office.life, office.ago = 90 * DAY + left, 90 * DAY
    own.says("renew", "--now")
    office.bodies.clear()
    office.signs = False


def test_nothing_is_asked_before_two_thirds_of_the_lifetime_unless_a_person_wants_it(own: Desk, office: Office) -> None:
    office.bodies.clear()
    own.says("install", TOOL)
    own.says("renew")
    assert office.bodies == []
    before = held(own)
    own.says("renew", "--now")
    assert [path for path, _ in office.bodies] == [REENROL_PATH]
    assert held(own).identity == before.identity
    first, second = (x509.load_der_x509_certificate(one).public_key() for one in office.given.values())
    assert first != second


def test_towards_its_end_each_run_asks_and_goes_on_with_the_old_one(own: Desk, office: Office) -> None:
    due_soon(own, office, left=10 * DAY)
    before = held(own)
    code, out, err = own("install", TOOL)
    assert (code, out.endswith("is now 1.0.\n")) == (0, True)
    assert "your vendor has not given it" in err  # less than a sixth is left
    assert [path for path, _ in office.bodies] == [REENROL_PATH]
    assert held(own) == before
    office.signs, office.ago = True, timedelta(0)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        own.says("update")
    assert held(own).validity.end > before.validity.end


def test_one_that_has_ended_may_still_renew_and_the_run_goes_on(own: Desk, office: Office) -> None:
    due_soon(own, office, left=DAY)
    with time_machine.travel(datetime.now(UTC) + 2 * DAY):
        code, said = own.fails("install", TOOL)
        assert code == 14
        assert "the old one ended on" in said
    office.signs, office.life, office.ago = True, 100 * DAY, timedelta(0)
    with time_machine.travel(datetime.now(UTC) + 3 * DAY):
        own.says("install", TOOL)
    assert [path for path, _ in office.bodies] == [REENROL_PATH] * 2


def test_the_package_that_has_ended_is_told_as_that(desk: Desk, office: Office) -> None:
    code, _, err = desk("enrol", bundled(desk, party(desk.house, Role.CLIENT, DAY, 2 * DAY)))
    assert code == 12
    assert "expired" not in err or "new bundle" in err


@pytest.mark.parametrize("seconds", ["", "soon", "-1", "99999999999", "60"])
def test_what_the_mirror_says_of_asking_again_is_obeyed_within_reason(desk: Desk, office: Office, seconds: str) -> None:
    office.retry_after = seconds
    desk.says("enrol", str(desk.folder / "acme.bundle"))
    found = pending.read(Store(Paths(desk.root)))
    assert found is not None
    assert found.after is not None
    assert timedelta(seconds=50) < found.after - datetime.now(UTC) <= 1.5 * DAY


# What stands in the way


def test_an_old_mirror_is_told_once_asked_once_a_day_and_the_bundles_certificate_goes_on(desk: Desk) -> None:
    assert "hands out none for a single installation" in desk.says("enrol", str(desk.folder / "acme.bundle"))
    assert "hands out none" not in desk.says("install", TOOL)
    est = [asked for asked in desk.server.asked if asked.path == ENROL_PATH]
    assert len(est) == 1
    with time_machine.travel(datetime.now(UTC) + 2 * DAY):
        assert "hands out none" not in desk.says("update")
    est = [asked for asked in desk.server.asked if asked.path == ENROL_PATH]
    assert len({asked.body for asked in est}) == 1
    assert len(est) == 2


def test_a_request_that_was_denied_is_kept_and_not_sent_again_until_a_person_says_so(
    waiting: Desk, office: Office
) -> None:
    office.denied = True
    code, said = waiting.fails("renew", "--now")
    assert code == 12
    assert "spot renew --again" in said
    asked = len(office.bodies)
    waiting.says("install", TOOL)
    code, said = waiting.fails("renew", "--now")
    assert (code, len(office.bodies)) == (12, asked)
    assert waiting.reads("status")["certificate_refused"] == "request-denied"
    office.denied, office.signs = False, True
    waiting.says("renew", "--again")
    assert len({body for _, body in office.bodies}) == 2
    assert held(waiting).kind is Kind.OWN


def test_a_denial_is_warned_of_when_it_comes_and_does_not_stop_the_run(waiting: Desk, office: Office) -> None:
    office.denied = True
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=100)):
        code, out, err = waiting("install", TOOL)
    assert (code, out.endswith("is now 1.0.\n")) == (0, True)
    assert "could not be renewed" in err


def test_a_revoked_one_stops_asking(own: Desk, office: Office) -> None:
    due_soon(own, office, left=10 * DAY)
    office.revoked |= {x509.load_der_x509_certificate(given).serial_number for given in office.given.values()}
    for _ in range(2):
        code, _, err = own("check", TOOL)
        assert code == 12
        assert "has been revoked" in err or "revoked" in own.reads("status")["certificate_refused"]
    assert office.bodies == []
    asked = [one.path for one in own.server.asked if one.path == REENROL_PATH]
    assert len(asked) == 2  # the one of `due_soon`, and one that was refused


def test_a_mirror_that_fails_at_it_does_not_stop_an_update(waiting: Desk, office: Office) -> None:
    for answer in (
        problem("503 Service Unavailable", "unavailable"),
        problem("429 Too Many Requests", "too-many-requests"),
        problem("403 Forbidden", "suspended"),
        reply("302 Found", Location="https://elsewhere.example.com"),
        b"",
    ):
        waiting.est = lambda _, answer=answer: answer  # type: ignore[misc]
        with time_machine.travel(datetime.now(UTC) + DAY):
            assert waiting.says("check", TOOL)
    assert held(waiting).kind is Kind.PACKAGE


def resigned(house: House, der: bytes, subject: Identity | Hosts, profile: Profile, days: int = 100) -> bytes:
    """A certificate for the same key that says something else."""
    key = x509.load_der_x509_certificate(der).public_key()
    now = datetime.now(UTC) - timedelta(hours=1) + (days * DAY if days < 0 else timedelta(0))
    wanted = msgspec.structs.replace(profile, lifetime=abs(days) * DAY)
    return der_of(issue(Request(key, subject), wanted, house.issuing.issuer, serial=77, now=now))


OWN = Identity(REALM, Role.CLIENT, "acme", MINTED)
SPOILED: dict[str, Callable[[Office, bytes], bytes]] = {
    "it is for another key": lambda office, _: der_of(office.house.leaf(OWN, CLIENT).certificate),
    "it names spiffe://build.example.com/client/globex": lambda office, der: resigned(
        office.house, der, Identity(REALM, Role.CLIENT, "globex", MINTED), CLIENT
    ),
    "it names spiffe://build.example.com/client/acme.": lambda office, der: resigned(
        office.house, der, Identity(REALM, Role.CLIENT, "acme"), CLIENT
    ),
    "it is not one of a client": lambda office, der: resigned(office.house, der, HOSTS, SERVER),
    "it ended on": lambda office, der: resigned(office.house, der, OWN, CLIENT, -2),
}


@pytest.mark.parametrize("what", SPOILED)
def test_a_certificate_that_is_not_the_one_asked_for_is_not_taken(waiting: Desk, office: Office, what: str) -> None:
    before = (waiting.root / ".spot/client.pem").read_bytes()
    office.signs, office.spoil = True, lambda der: SPOILED[what](office, der)
    code, said = waiting.fails("renew", "--now")
    assert code == 3
    assert what in said
    assert (waiting.root / ".spot/client.pem").read_bytes() == before
    office.spoil = lambda der: der
    waiting.says("renew", "--now")
    assert held(waiting).kind is Kind.OWN


@pytest.mark.parametrize("body", [b"", b"garbage!", b"AAAA", b"A" * 20000])
def test_an_answer_that_is_no_certificate_is_not_taken(waiting: Desk, body: bytes) -> None:
    waiting.est = lambda _: reply(body=body)
    code, _ = waiting.fails("renew", "--now")
    assert code == (4 if len(body) > 16384 else 3)
    assert held(waiting).kind is Kind.PACKAGE


def test_one_that_no_mirror_takes_does_not_take_the_place_of_one_that_works(waiting: Desk, office: Office) -> None:
    """A foreign CA signed it: of that, nothing can be seen here but that the handshake fails."""
    stranger = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))

    office.signs, office.spoil = True, lambda der: resigned(stranger, der, OWN, CLIENT)
    code, said = waiting.fails("renew", "--now")
    assert code == 3
    assert "is not taken by a mirror" in said
    assert held(waiting).kind is Kind.PACKAGE
    assert waiting("install", TOOL)[0] == 0


# Killed


@pytest.mark.slow
def test_killed_anywhere_the_next_run_goes_on_with_the_same_request(waiting: Desk, office: Office) -> None:
    office.signs = True
    start = waiting.folder / "start"
    shutil.copytree(waiting.root, start)
    step, outcomes = 0, set()
    while True:
        step += 1
        root = waiting.folder / f"root{step}"
        shutil.copytree(start, root)
        before = (root / ".spot/client.pem").read_bytes()
        died = killed(lambda root=root: run(root), root, step)  # type: ignore[misc]
        after = (root / ".spot/client.pem").read_bytes()
        outcomes.add(after == before)
        assert (after == before) or certificate.held(root / ".spot/client.pem") is not None
        assert run(root) in {State.PICKED_UP, State.NOT_YET}
        found = certificate.held(root / ".spot/client.pem")
        assert found is not None
        assert found.kind is Kind.OWN
        assert not [path for path in (root / ".spot").iterdir() if "next" in path.name]
        if not died:
            break
    assert step > 5
    assert outcomes == {True, False}
    assert len({body for _, body in office.bodies}) == 1


@pytest.mark.slow
def test_killed_before_it_was_ever_sent_at_most_the_key_is_another(desk: Desk, office: Office) -> None:
    desk.says("enrol", str(desk.folder / "acme.bundle"))
    for name in left(desk):
        (desk.root / ".spot" / name).unlink()
    office.bodies.clear()
    start = desk.folder / "start"
    shutil.copytree(desk.root, start)
    step, died = 0, True
    while died:
        step += 1
        root = desk.folder / f"root{step}"
        shutil.copytree(start, root)
        office.bodies.clear()
        died = killed(lambda root=root: run(root), root, step)  # type: ignore[misc]
        sent = len(office.bodies)
        assert run(root) is State.WAITING
        assert len({body for _, body in office.bodies}) == 1, "what was sent once is sent again, and nothing else"
        assert len(office.bodies) >= max(sent, 1)


def run(root: Path) -> State:
    """A run at the time when the mirror wanted to be asked again."""
    paths = Paths(root)
    with Store(paths).lock():
        return open_renewer(paths, Settings(), lambda: datetime.now(UTC) + timedelta(seconds=100)).run().state


# What is damaged here


def test_a_request_that_is_damaged_is_warned_of_and_stops_nothing(waiting: Desk, office: Office) -> None:
    path = waiting.root / ".spot/next.json"
    asked = len(office.bodies)
    for raw in (b"", b"{}", b"\0" * 70000, path.read_bytes().replace(b"PRIVATE KEY", b"PRIVATE LEG")):
        path.write_bytes(raw)
        code, _, err = waiting("install", TOOL)
        assert (code, "spot renew --again" in err) == (0, True)
        assert waiting.fails("renew")[0] == 8
        waiting.says("status")
    assert len(office.bodies) == asked
    waiting.says("renew", "--again")
    assert len(office.bodies) == asked + 1


def test_another_id_of_the_installation_makes_another_request(waiting: Desk, office: Office) -> None:
    """A mirror that was restored gives another one."""
    store = Store(Paths(waiting.root))
    store.write_identity(msgspec.structs.replace(store.enrolled(), installation="0" * 16))
    waiting.says("renew", "--now")
    assert len({body for _, body in office.bodies}) == 2


def test_the_next_key_is_of_the_kind_of_the_one_here(waiting: Desk) -> None:
    found = pending.read(Store(Paths(waiting.root)))
    assert found is not None
    assert isinstance(found.private_key, ec.EllipticCurvePrivateKey)
    for bits, wanted in ((2048, 2048), (3072, 3072), (4096, 2048)):
        path = waiting.folder / "like.pem"
        path.write_bytes(key_pem(rsa.generate_private_key(65537, bits)))
        made = pending.make(OWN, path, datetime.now(UTC)).private_key
        assert isinstance(made, rsa.RSAPrivateKey)
        assert made.key_size == wanted
    assert "KEY" not in repr(found)


# How it is told


def test_what_renew_says_is_a_document_too(waiting: Desk, office: Office) -> None:
    dry = waiting.reads("renew", "--dry-run")
    assert (dry["state"], dry["kind"], dry["would"], dry["due"]) == ("waiting", "package", "wait", None)
    assert waiting.reads("renew", "--dry-run", "--now")["would"] == "ask"
    office.signs = True
    done = waiting.reads("renew", "--now")
    assert (done["state"], done["kind"], done["waiting_since"], done["would"]) == ("picked-up", "own", None, None)
    later = waiting.reads("renew", "--dry-run")
    assert (later["state"], later["would"]) == ("not-yet", "nothing")
    assert done["from"] < later["due"] < later["until"]
