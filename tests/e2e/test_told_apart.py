"""Why a mirror does not let SPOT in: each reason by its name, its exit code, and the step that helps.

The mirror is its real process, SPOT its real program; certificates are of a real CA."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from ca.bundle import Bundle, MirrorPins, encode
from ca.identity import Identity, Role
from ca.profiles import CLIENT, ENROL
from spot_client.config import Paths
from spot_client.state import Store
from tests import measured
from tests.ca.house import NOW, REALM, House, Party, key_pem, make_house, pem_of
from tests.mirror.content.rig import Mirror

SPOT = Path(sys.executable).parent / "spot"
DAY = timedelta(days=1)


class Place:
    """An installation of acme, and the mirror that it asks."""

    def __init__(self, folder: Path, mirror: Mirror) -> None:
        self.folder, self.mirror, self.root = folder, mirror, folder / "root"

    def bundle(self, party: Party, *, port: int | None = None) -> str:
        path = self.folder / f"{party.certificate.serial_number}.bundle"
        pins = (pem_of(self.mirror.house.server.certificate).decode(),)
        bundle = Bundle(
            realm=REALM,
            customer="acme",
            client_certificate=pem_of(party.certificate).decode(),
            client_key=key_pem(party.key).decode(),
            mirrors=(MirrorPins(f"https://127.0.0.1:{port or self.mirror.port}", pins),),
            catalogue_root=(self.mirror.data / "catalogue/1.root.json").read_text(),
        )
        path.write_bytes(encode(bundle))
        return str(path)

    def spot(self, *command: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [SPOT, "--root", self.root, *command],
            capture_output=True,
            check=False,
            text=True,
            timeout=120,
            env=measured.environment(),
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def told(self) -> tuple[int, str]:
        """Exit code and reason of a run that has to fail, as a program reads them."""
        code, out, _ = self.spot("install", "sdk/botocore", "--json")
        error = msgspec.json.decode(out)["error"]
        assert error["exit_code"] == code
        assert error["message"].endswith((".", ")"))
        return code, error["reason"]

    def hold(self, party: Party) -> None:
        """Have it other credentials than it was enrolled with."""
        path = self.root / ".spot/client.pem"
        path.write_bytes(key_pem(party.key) + pem_of(party.certificate))
        (self.root / ".spot/next.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def house() -> House:
    return make_house(lambda: ec.generate_private_key(ec.SECP256R1()))


@pytest.fixture
def mirror(tmp_path: Path, house: House) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    mirror = Mirror(tmp_path / "mirror", house)
    mirror.publish()
    with mirror.running():
        yield mirror


@pytest.fixture
def place(tmp_path: Path, mirror: Mirror) -> Place:
    """Enrolled, and waiting for its own certificate as the vendor has signed none yet."""
    place = Place(tmp_path, mirror)
    code, out, err = place.spot("enrol", place.bundle(mirror.house.client))
    assert (code, err) == (0, "")
    assert "waiting for your vendor" in out
    return place


def own(place: Place, ago: timedelta) -> Party:
    """A certificate of this installation's own, issued some time ago."""
    identity = Store(Paths(place.root)).enrolled()
    subject = Identity(REALM, Role.CLIENT, "acme", identity.installation)
    return place.mirror.house.leaf(subject, CLIENT, NOW - ago)


def test_one_that_may_come_in_comes_in(place: Place) -> None:
    assert place.spot("install", "sdk/botocore")[0] == 0


def test_revoked(place: Place) -> None:
    place.mirror.revoke(place.mirror.house.client)
    place.mirror.until(lambda: place.told() == (12, "revoked"))


def test_expired(place: Place) -> None:
    """And the time for renewal is over, too: of a package's certificate, and of an installation's own."""
    place.hold(place.mirror.house.leaf(Identity(REALM, Role.CLIENT, "acme"), CLIENT, NOW - CLIENT.lifetime - 40 * DAY))
    assert place.told() == (12, "expired")
    place.hold(own(place, CLIENT.lifetime + 40 * DAY))
    assert place.told() == (12, "expired")


def test_expired_and_still_to_be_renewed(place: Place) -> None:
    place.hold(own(place, CLIENT.lifetime + 20 * DAY))
    assert place.told() == (14, "certificate-waiting")
    place.hold(place.mirror.house.leaf(Identity(REALM, Role.CLIENT, "acme"), CLIENT, NOW - CLIENT.lifetime - DAY))
    assert place.told() == (14, "certificate-waiting")


def test_enrolment_only(place: Place) -> None:
    place.hold(place.mirror.house.leaf(Identity(REALM, Role.ENROL, "acme"), ENROL))
    assert place.told() == (14, "certificate-waiting")


def test_not_a_certificate_of_this_ca(place: Place) -> None:
    place.hold(make_house(lambda: ec.generate_private_key(ec.SECP256R1())).client)
    assert place.told() == (12, "certificate-refused")


def test_the_network_is_down(tmp_path: Path, house: House) -> None:
    (tmp_path / "mirror").mkdir()
    mirror = Mirror(tmp_path / "mirror", house)
    mirror.publish()
    place = Place(tmp_path, mirror)
    with mirror.running():
        assert place.spot("enrol", place.bundle(house.client))[0] == 0
    assert place.told() == (4, "no-answer")


def test_this_server_is_not_ours(tmp_path: Path, place: Place, mirror: Mirror) -> None:
    """The mirror of another vendor, with the same names, where ours should be."""
    (tmp_path / "other").mkdir()
    other = Mirror(tmp_path / "other", make_house(lambda: ec.generate_private_key(ec.SECP256R1())))
    other.publish()
    with other.running():
        store = Store(Paths(place.root))
        known = store.enrolled()
        moved = msgspec.structs.replace(known.mirrors[0], url=f"https://127.0.0.1:{other.port}")
        store.write_identity(msgspec.structs.replace(known, mirrors=(moved,)))
        assert place.told() == (3, "wrong-server")
        assert not (other.data / "audit.jsonl").exists() or other.audit() == []
