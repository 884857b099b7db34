"""The drills of docs/ops.md: the server's certificate, the issuing CA and the root CA get successors, with the real
programs, and nobody is locked out before the time that the chapter names.

Three installations live through each: one that is there all the time, one that is off meanwhile, and one that comes
new. A download and a connection that waits are there all the time, too.
"""

import http.client
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from cryptography import x509

from spot_client.wire.routes import Kind, Route
from tests.e2e.world import REALM, World, serve, stop
from tests.hostile.asking import trusting_nobody

KEYS: Final = ("--key-type", "ecdsa-p256")
LISTENS: Final = "operators"
"""Logged when a configuration was taken over: the last thing of it."""
BIG: Final = "sdk/big"
SIZE: Final = 24 * 2**20
"""Of what is downloaded, in bytes: more than lies in the buffers between."""


class Drill(World):
    """A CA, a mirror, and one customer."""

    mirror: "subprocess.Popen[bytes]"
    shows = "mirror1"
    """Stem of the files of the certificate that the mirror shows."""

    def make(self) -> None:
        """All but the running mirror, which has copies of what the CA hands out."""
        self.succeed("spot-ca", "init", "--realm", REALM, *KEYS)
        self.issue("mirror1")
        self.succeed("spot-ca", "issue", "ca-operator", "host", *KEYS, "--out", "certs")
        self.bring("issuing", "1")
        files = ("--certificate", "certs/mirror1.crt", "--key", "certs/mirror1.key")
        trust = ("--issuing-ca", "1.crt", "--crl", "1.crl")
        self.succeed(
            "spot-mirror", "init", "--development", "--realm", REALM, "--listen", "127.0.0.1:0", *files, *trust
        )
        config = self.folder / "mirror.toml"
        text = config.read_text().replace("[content]\n", "[content]\nworkers = 1\n", 1)
        config.write_text(f'{text}\n[operator]\nlisten = "127.0.0.1:0"\n')
        (self.folder / "big").mkdir()
        (self.folder / "big/table.bin").write_bytes(os.urandom(SIZE))
        self.succeed("spot-mirror", "publish", BIG, "1.0", "big", "--level", "1")
        self.succeed("spot-mirror", "customer", "add", "acme")
        self.succeed("spot-mirror", "licence", "grant", "acme", "sdk", "--installations", "99")

    def issue(self, name: str) -> None:
        """A server's certificate with a new key."""
        names = ("--ip", "127.0.0.1", "--out", "certs")
        self.succeed("spot-ca", "issue", "server", name, *names, *KEYS)

    def bring(self, authority: str, name: str) -> None:
        """Certificate and list of an issuing CA, to the mirror's host, under a name of its own there."""
        shutil.copy(self.folder / f"ca/{authority}.crt", self.folder / f"{name}.crt")
        shutil.copy(self.folder / f"ca/crl/{authority}.crl", self.folder / f"{name}.crl")

    @property
    def operator_url(self) -> str:
        """Where the mirror listens for the host that signs since the last reload."""
        return f"https://{self.said(LISTENS)[-1]['address']}"

    def said(self, event: str) -> list[dict[str, str]]:
        """What the mirror's log has of this event."""
        lines = (self.folder / "serve.log").read_bytes().splitlines()
        told: list[dict[str, str]] = [msgspec.json.decode(line) for line in lines if line[:1] == b"{"]
        return [line for line in told if line["event"] == event]

    @property
    def operating(self) -> tuple[str, ...]:
        """As in every world, with all certificates that the mirror might show as pins."""
        pins = self.folder / "pins.pem"
        pins.write_text("".join(path.read_text() for path in sorted((self.folder / "certs").glob("mirror*.crt"))))
        return (*super().operating[:-1], str(pins))

    def reload(self, **settings: str | list[str]) -> None:
        """Change lines of mirror.toml, and have them taken over."""
        config = self.folder / "mirror.toml"
        text, before = config.read_text(), len(self.said(LISTENS))
        for key, value in settings.items():
            line = f"{key} = {msgspec.json.encode(value).decode()}"
            text = re.sub(rf"(?m)^{key} = .*$", line, text, count=1)
        config.write_text(text)
        self.mirror.send_signal(signal.SIGHUP)
        self.until(lambda: len(self.said(LISTENS)) > before, 30)

    def show(self, name: str, key: str | None = None) -> None:
        """Have the mirror show another certificate."""
        self.reload(certificate=f"certs/{name}.crt", key=f"certs/{key or name}.key")
        self.shows = name

    def bundle(self, name: str) -> str:
        pin = f"{self.url}=certs/{self.shows}.crt"
        root = ("--catalogue-root", "data/catalogue/1.root.json", *KEYS)
        self.succeed("spot-ca", "bundle", "acme", "--mirror", pin, *root, "--out", f"{name}.bundle")
        return f"{name}.bundle"

    def enrol(self, *roots: Path) -> None:
        """Installations, each with a certificate of its own."""
        bundle = self.bundle(f"{roots[0].parent.name}-{roots[0].name}")
        for root in roots:
            self.spot(root, "enrol", bundle)  # which asks for that certificate, too
        self.succeed("spot-ca", "renewals", *self.operating)
        self.pick_up(*roots)

    def renew(self, root: Path) -> None:
        """It asks for its next certificate, the host that signs comes by, and it picks it up."""
        self.spot(root, "renew", "--now")
        self.succeed("spot-ca", "renewals", *self.operating)
        self.pick_up(root)

    def pick_up(self, *roots: Path) -> None:
        for root in roots:
            assert msgspec.json.decode(self.spot(root, "renew", "--now", "--json"))["state"] == "picked-up"

    def serves(self, *roots: Path) -> None:
        """The mirror serves all of these, and each learns what there is to be learnt."""
        for root in roots:
            assert BIG in self.spot(root, "list", "--available")

    def would_serve(self, root: Path) -> None:
        """If this one came back now, it would be served. It stays off: a copy asks."""
        probe = shutil.copytree(root, root.with_name("probe"), symlinks=True)
        self.serves(probe)
        shutil.rmtree(probe)

    def key_id(self, name: str = "issuing") -> str:
        """The key identifier of a CA."""
        certificate = x509.load_pem_x509_certificate((self.folder / f"ca/{name}.crt").read_bytes())
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


def issuer(root: Path) -> str:
    """The key identifier of the CA that signed an installation's certificate."""
    certificate = x509.load_pem_x509_certificate((root / ".spot/client.pem").read_bytes())
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return (found or b"").hex()


class Held:
    """A download that is under way, and a connection that waits, with the certificate of an installation."""

    def __init__(self, drill: Drill, root: Path) -> None:
        context = trusting_nobody(root / ".spot/client.pem")
        self._idle, self._loading = (
            http.client.HTTPSConnection("127.0.0.1", drill.port, timeout=30, context=context) for _ in range(2)
        )
        assert self._asks() == 200
        product, component = BIG.split("/")
        route = Route(kind=Kind.PACK, product=product, component=component, version="1.0", platform="any")
        self._loading.request("GET", route.path)
        self._download = self._loading.getresponse()
        assert len(self._download.read(2**16)) == 2**16

    def end(self) -> None:
        """Neither was dropped."""
        assert self._asks() == 200
        left = self._download.length
        assert left is not None
        assert left > SIZE - 2**20
        assert len(self._download.read()) == left
        self._idle.close()
        self._loading.close()

    def _asks(self) -> int:
        self._idle.request("GET", "/licences")
        with self._idle.getresponse() as response:
            response.read()
            return response.status


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    folder = tmp_path / "vendor"
    folder.mkdir()
    drill = Drill(folder)
    drill.make()
    drill.mirror = serve(drill)
    yield drill
    stop(drill.mirror)


@pytest.mark.slow
def test_the_servers_certificate(drill: Drill, tmp_path: Path) -> None:
    """First one with a new key, then one with the same."""
    present, away, fresh = (tmp_path / name for name in ("present", "away", "fresh"))
    pins = ("--backup", "certs/mirror-backup.crt")

    # The first day: the list has the next one and a backup, and everybody has seen it.
    drill.issue("mirror2")
    drill.issue("mirror-backup")
    current = ("--current", "certs/mirror1.crt", "--next", "certs/mirror2.crt")
    drill.succeed("spot-mirror", "mirrors", "set", drill.url, *current, *pins)
    drill.enrol(present, away)
    drill.serves(present, away)
    held = Held(drill, present)

    # 1. The mirror shows it.
    drill.show("mirror2")
    held.end()
    drill.enrol(fresh)
    drill.serves(present, fresh)
    drill.would_serve(away)

    # 2. The one after it, with the same key, is signed for: whoever is there learns of it.
    drill.succeed("spot-ca", "issue", "server", "mirror2", "--renew", "--out", "certs")
    (drill.folder / "certs/mirror2.next.crt").rename(drill.folder / "certs/mirror3.crt")
    current = ("--current", "certs/mirror2.crt", "--next", "certs/mirror3.crt")
    drill.succeed("spot-mirror", "mirrors", "set", drill.url, *current, *pins)
    drill.serves(present, fresh)
    drill.would_serve(away)

    # 3. It is shown in turn: who was off all the time does not know it, and comes back with a new bundle.
    held = Held(drill, fresh)
    drill.show("mirror3", key="mirror2")
    held.end()
    drill.serves(present, fresh)
    code, said = drill.refused(away, "list", "--available")
    assert (code, "is not the one your vendor pinned" in said) == (3, True), said
    drill.spot(away, "enrol", drill.bundle("again"), "--bundle-mirrors")
    drill.serves(away)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["issuing", "root"])
def test_an_issuing_ca_of_the_same_root_and_of_a_new_one(drill: Drill, tmp_path: Path, kind: str) -> None:
    present, away, fresh = (tmp_path / name for name in ("present", "away", "fresh"))
    drill.enrol(present, away)
    old, held = drill.key_id(), Held(drill, present)

    # 1. The successor is made, and cannot be put in its place before the mirror knows it.
    drill.succeed("spot-ca", "rotate", kind)
    code, _, said = drill.run("spot-ca", "rotate", "activate", *drill.operating)
    assert (code, "does not know issuing-next.crt" in said) == (3, True)

    # 2. The mirror knows both.
    drill.bring("issuing-next", "2")
    drill.reload(issuing_cas=["1.crt", "2.crt"], crls=["1.crl", "2.crl"])
    held.end()
    drill.serves(present)
    drill.would_serve(away)

    # 3. It signs: for whoever comes new, and for whoever renews. The list of the one before goes on.
    drill.succeed("spot-ca", "rotate", "activate", *drill.operating)
    new = drill.key_id()
    drill.enrol(fresh)
    drill.serves(present, fresh)
    assert (issuer(present), issuer(fresh)) == (old, new)
    drill.renew(present)
    drill.serves(present, fresh)
    drill.would_serve(away)
    assert (issuer(present), issuer(away)) == (new, old)
    assert f"holds to CRL 2 of issuing-{old[:8]}" in drill.succeed("spot-ca", "crl") + drill.succeed(
        "spot-ca", "push", *drill.operating
    )

    # 4. Somebody would be locked out, and check says so.
    found = msgspec.json.decode(drill.run("spot-ca", "check", "--json").out)["findings"]
    (retiring,) = (one for one in found if one["code"] == "retiring")
    told = rf"issuing-{old[:8]}.crt is no longer in use, and \d+ of its certificates are good, until"
    assert re.match(told, retiring["what"])

    # So would the host that signs, which gets a certificate of the new one by hand.
    assert "Issue anew what does not renew itself: ca-operator host." in retiring["next"]
    for path in (drill.folder / "certs").glob("host.*"):
        path.unlink()
    drill.succeed("spot-ca", "issue", "ca-operator", "host", *KEYS, "--out", "certs")
    assert "renew itself" not in drill.run("spot-ca", "check").out

    # 5. The old one is taken out. Who has a certificate of the new one does not notice.
    held = Held(drill, present)
    drill.reload(issuing_cas=["2.crt"], crls=["2.crl"])
    held.end()
    assert f"does not know issuing-{old[:8]}.crt" in drill.succeed("spot-ca", "push", *drill.operating)
    drill.serves(present, fresh)
    code, said = drill.refused(away, "list", "--available")
    assert (code, "does not accept this machine's certificate" in said) == (12, True), said
    drill.spot(away, "enrol", drill.bundle("again"))
    drill.serves(away)
