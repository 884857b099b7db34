"""A mirror on loopback that serves a vendor's files, a bundle for it, and the command line of SPOT."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ca.bundle import Bundle, MirrorPins, encode
from spot_client.cli import main
from spot_client.wire import document
from spot_client.wire.licences import LicenceLine, LicenceList
from tests.ca.house import REALM, House, key_pem, pem_of
from tests.spot_client.fetch.server import Asked, Server, problem, ranged, reply
from tests.spot_client.vendor import MINTED, Vendor

ONE = {"run": b"one" * 50, "same": bytes(range(150))}
TWO = {"run": b"two" * 50, "same": bytes(range(150))}


def licences(*products: str) -> bytes:
    """The mirror's answer about what acme is licensed for."""
    lines = tuple(LicenceLine(product, ("stable",), "2026-01-01", None, 9) for product in products)
    return document.encode(LicenceList(customer="acme", licences=lines))


class Desk:
    """A mirror that serves a vendor's files, a bundle for it, and the command line."""

    def __init__(self, folder: Path, house: House, vendor: Vendor, server: Server, say: pytest.CaptureFixture[str]):
        self.folder, self.house, self.vendor, self.server = folder, house, vendor, server
        self.root = folder / "root"
        self.refusal: tuple[str, bytes] = ("nothing", b"")
        self.reports: list[bytes] = []
        self.licences = licences("sdk")
        self.est: Callable[[Asked], bytes] = lambda _: problem("404 Not Found", "not-found")
        self._capture = say
        server.behave = self.behave
        (folder / "acme.bundle").write_bytes(encode(self.bundle()))

    def bundle(self) -> Bundle:
        return Bundle(
            realm=REALM,
            customer="acme",
            client_certificate=pem_of(self.house.client.certificate).decode(),
            client_key=key_pem(self.house.client.key).decode(),
            mirrors=(
                MirrorPins(f"https://127.0.0.1:{self.server.port}", (pem_of(self.house.server.certificate).decode(),)),
            ),
            catalogue_root=self.vendor.root.decode(),
        )

    def behave(self, asked: Asked) -> bytes:
        """As the mirror would, or as it is told to for paths that begin so."""
        prefix, answer = self.refusal
        if asked.path.startswith(prefix):
            return answer
        if asked.path.startswith("/.well-known/est/"):
            return self.est(asked)
        if asked.method == "POST":
            return reply("201 Created", b'{"format":1,"installation":"%s","min_spot":"0.1"}' % MINTED.encode())
        if asked.method == "PUT":
            self.reports.append(asked.body)
            return reply("204 No Content")
        if asked.path == "/licences":
            return reply(body=self.licences)
        content = self.vendor.files.get(asked.path)
        if content is None:
            return problem("404 Not Found", "not-found")
        return ranged(asked, content) if "range" in asked.headers else reply(body=content)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run `spot` on the root; exit code, standard output, standard error."""
        self._capture.readouterr()
        before = sys.argv
        sys.argv = ["spot", "--root", str(self.root), *arguments]
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1 if ended.code else 0
        finally:
            sys.argv = before
        said = self._capture.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    def says(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        code, out, err = self(*arguments)
        assert (code, err) == (0, "")
        return out

    def reads(self, *arguments: str, code: int = 0) -> Any:
        """The one document that a command prints with --json."""
        found, out, _ = self(*arguments, "--json")
        assert found == code
        return json.loads(out)

    def fails(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and the one sentence (or two) of a command that fails."""
        code, _, err = self(*arguments)
        assert err.startswith("spot: ")
        assert err.count("\n") == 1
        assert err.endswith((".\n", ")\n"))
        return code, err
