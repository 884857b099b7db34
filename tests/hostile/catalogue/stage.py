"""A vendor in its production layout, one or two mirrors on loopback, and the real SPOT between them and a product.

Of two mirrors the first is the hostile one. What is hostile is set by the attack: files that are shown in place of the
vendor's, and answers to single requests, byte for byte.
"""

import copy
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from tuf.api.metadata import Metadata

from ca.bundle import Bundle, MirrorPins
from tests.ca.house import House, pem_of
from tests.hostile.catalogue.people import Production, repository_of, thief_of
from tests.spot_client.desk import ONE, TWO, Desk
from tests.spot_client.fetch.server import Asked, Server
from tests.spot_client.vendor import Vendor

TOOL = "sdk/tool"
EVIL = {"run": b"evil" * 40}
KNOWN = {"1.0": ONE, "1.1": TWO}
INDEX = "sdk/tool/index.json.zst"


class Ran(NamedTuple):
    """How a run of SPOT ended: `reason` of the error, or ""; what it said on standard error."""

    code: int
    reason: str
    err: str


class Stage(Desk):
    """The scene of one attack. `mirrors`: the servers, the hostile one first."""

    def __init__(
        self, folder: Path, house: House, vendor: Vendor, mirrors: list[Server], say: pytest.CaptureFixture[str]
    ) -> None:
        self.mirrors = mirrors
        super().__init__(folder, house, vendor, mirrors[0], say)
        self.shown: Mapping[str, bytes] | None = None
        self.answer: Callable[[Asked], bytes | Iterator[bytes] | None] = lambda _: None
        self.older = self.vendor
        """The vendor as it was before it published 1.1."""
        self.thief: Vendor | None = None
        for other in mirrors[1:]:
            other.behave = self.behave
        mirrors[0].behave = self.face

    # The scene

    def bundle(self) -> Bundle:
        pins = (pem_of(self.house.server.certificate).decode(),)
        return msgspec.structs.replace(
            super().bundle(),
            mirrors=tuple(MirrorPins(f"https://127.0.0.1:{server.port}", pins) for server in self.mirrors),
        )

    def face(self, asked: Asked) -> bytes | Iterator[bytes]:
        """As the hostile mirror does."""
        answer = self.answer(asked)
        if answer is not None:
            return answer
        honest = self.vendor.files
        try:
            self.vendor.files = honest if self.shown is None else dict(self.shown)
            return dated(self.behave(asked), datetime.now(UTC))
        finally:
            self.vendor.files = honest

    def begin(self) -> None:
        """1.0 is in use here, SPOT has seen the catalogue of that time, and the vendor has published 1.1 since."""
        self.vendor.publish(ONE, "1.0")
        self.says("enrol", str(self.folder / "acme.bundle"))
        self.says("install", TOOL)
        self.older = copy.deepcopy(self.vendor)
        self.vendor.publish(TWO, "1.1")

    def be_honest(self) -> None:
        """The mirror is the vendor's again, and the vendor's timers have gone on."""
        self.shown, self.answer = None, lambda _: None
        for _ in range(9):
            self.repository.sign()
        self.vendor.lay_out()

    # The attacker

    @property
    def repository(self) -> Production:
        """The vendor's signing side."""
        return repository_of(self.vendor)

    def steal(self, *keys: str) -> tuple[Vendor, Production]:
        """A thief with these keys, and its repository; the mirror shows what it lays out."""
        self.thief = thief = thief_of(self.vendor, *keys)
        self.shown = thief.files
        return thief, repository_of(thief)

    def show(self, **files: bytes) -> None:
        """Show these metadata files, `NAME.json` by NAME (`_` before a number), beside the vendor's."""
        named = {f"/catalogue/{name.removeprefix('_').replace('_', '.')}.json": raw for name, raw in files.items()}
        self.shown = {**(self.shown or self.vendor.files), **named}

    def replace(self, ending: str, change: Callable[[bytes], bytes]) -> None:
        """Show what `change` makes of the files whose paths end so."""
        files = self.shown or self.vendor.files
        found = [path for path in files if path.endswith(ending)]
        assert found
        self.shown = {**files, **{path: change(files[path]) for path in found}}

    def say(self, ending: str, answer: Callable[[Asked], bytes]) -> None:
        """Answer so to requests whose paths end so."""
        self.answer = lambda asked: answer(asked) if asked.path.endswith(ending) else None

    # What SPOT does, and what it remembers

    def spot(self, *command: str) -> Ran:
        """Run `spot COMMAND`, `{folder}` in a word being the one with the bundles."""
        words = [word.format(folder=self.folder) for word in command]
        if command[0] == "enrol":  # it has no --json
            log = self.folder / "spot.log"
            code, _, err = self(*words, "--log-file", str(log))
            return Ran(code, "".join(re.findall(r"\((\S+), exit code", log.read_text())), err)
        code, out, err = self(*words, "--json")
        found: Any = json.loads(out)
        lines = found if isinstance(found, list) else [found]
        errors = [line["error"] for line in lines if "error" in line]
        return Ran(code, errors[0]["reason"] if errors else "", err)

    def meet(self) -> None:
        """SPOT sees the catalogue as it is now, and installs nothing."""
        assert self.spot("check").code == 0

    @property
    def in_use(self) -> str:
        """The version in use, by its content: whole, and nothing beside it."""
        current = self.root / TOOL / "current"
        tree = {path.name: path.read_bytes() for path in current.iterdir()}
        return next((version for version, known in KNOWN.items() if tree == known), f"{tree}")

    @property
    def floors(self) -> dict[str, int]:
        """The versions below which SPOT believes nothing; of the root alone where a new one has undone the others."""
        paths = {role: self.root / f".spot/catalogue/{role}.json" for role in ("root", "timestamp", "snapshot")}
        return {role: Metadata.from_file(str(path)).signed.version for role, path in paths.items() if path.exists()}


def dated(answer: bytes, moment: datetime) -> bytes:
    """With the mirror's clock, as it stands there."""
    line, end, rest = answer.partition(b"\r\n")
    return line + end + f"Date: {format_datetime(moment, usegmt=True)}\r\n".encode() + rest


def drip(answer: bytes) -> Iterator[bytes]:
    """The head at once, then the body: 20 bytes a second."""
    head, end, body = answer.partition(b"\r\n\r\n")
    yield head + end
    for at in range(0, len(body), 2):
        threading.Event().wait(0.1)
        yield body[at : at + 2]
