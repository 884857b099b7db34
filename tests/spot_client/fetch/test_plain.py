"""The catalogue used alone, as outside suites for TUF clients do: a folder, a base URL, a context, a trusted root."""

import subprocess
import sys
from pathlib import Path

import pytest

from ca.tls import client_context
from spot_client.errors import NotReachable, Refused
from spot_client.fetch.pace import Patience
from spot_client.fetch.plain import Plain
from tests.ca.house import House, der_of
from tests.spot_client.fetch.server import Asked, Serve, Server, reply
from tests.spot_client.vendor import Vendor

BASE = "/a/base"
PATH = "sdk/tool/index.json.zst"
_PROGRAM = """\
import ssl, sys
from pathlib import Path
from spot_client.fetch.catalogue import Catalogue
from spot_client.fetch.plain import Plain

command, folder, base, server, credentials, *more = sys.argv[1:]
context = ssl.create_default_context(cafile=server)
context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
context.load_cert_chain(credentials)
root = Path(more[0]).read_bytes() if command == "init" else None
bases = {"metadata_base": "catalogue/", "target_base": "catalogue/targets/"}
catalogue = Catalogue(Path(folder), Plain(base, context), root=root, **bases)
if command != "init":
    catalogue.refresh()
if command == "download":
    sys.stdout.buffer.write(catalogue.target(more[0], max_bytes=1000) or b"there is none")
"""


@pytest.fixture
def server(serve: Serve, vendor: Vendor) -> Server:
    vendor.put_index("sdk/tool", b"the index")

    def behave(asked: Asked) -> bytes:
        raw = vendor.files.get(asked.path.removeprefix(BASE))
        return reply("404 Not Found") if raw is None else reply(body=raw)

    return serve(behave)


class Alone:
    """Runs a command in a process of its own, with no other state than the folder."""

    def __init__(self, folder: Path, server: Server, house: House) -> None:
        self.folder = folder / "metadata"
        files = house.client.files(folder, "client")
        credentials, trusted = folder / "client.both", folder / "trusted"
        credentials.write_bytes(files["key"].read_bytes() + files["certificate"].read_bytes())
        trusted.write_bytes(house.server.files(folder, "server")["certificate"].read_bytes())
        base = f"https://127.0.0.1:{server.port}{BASE}/"
        self._arguments = [str(self.folder), base, str(trusted), str(credentials)]

    def __call__(self, command: str, *more: str) -> bytes:
        program = [sys.executable, "-c", _PROGRAM, command, *self._arguments, *more]
        return subprocess.run(program, capture_output=True, timeout=60, check=True).stdout


def test_init_refresh_and_the_download_of_a_target_need_nothing_else(
    server: Server, house: House, vendor: Vendor, tmp_path: Path
) -> None:
    alone = Alone(tmp_path, server, house)
    first = tmp_path / "first.json"
    first.write_bytes(vendor.root)
    alone("init", str(first))
    assert server.asked == []
    assert (alone.folder / "root.json").read_bytes() == vendor.root
    alone("refresh")
    names = [one.path.rpartition("/")[2] for one in server.asked]
    assert names == ["2.root.json", "timestamp.json", "3.snapshot.json", "3.targets.json"]
    assert {path.name for path in alone.folder.glob("*.json")} == {
        f"{role}.json" for role in ("root", "timestamp", "snapshot", "targets")
    }
    assert alone("download", PATH) == b"the index"
    vendor.put_index("sdk/tool", b"the next one")
    assert alone("download", PATH) == b"the next one"
    assert alone("download", "sdk/other/index.json.zst") == b"there is none"


@pytest.fixture
def plain(house: House, tmp_path: Path, server: Server) -> Plain:
    context = client_context(**house.client.files(tmp_path, "client"), pins=[der_of(house.server.certificate)])
    return Plain(f"https://127.0.0.1:{server.port}{BASE}/", context, patience=Patience(gap=5))


def test_what_lies_below_the_base_is_had_and_what_does_not_is_refused_as_such(plain: Plain, vendor: Vendor) -> None:
    raw = vendor.files["/catalogue/timestamp.json"]
    assert plain.get("catalogue/timestamp.json", max_bytes=len(raw)).body == raw
    with pytest.raises(Refused) as failed:
        plain.get("catalogue/9.root.json", max_bytes=10)
    assert failed.value.reason == "not-found"


ANSWERS = {
    "http-302": reply("302 Found", Location="https://127.0.0.1/x"),
    "http-500": reply("500 Internal Server Error"),
    "too-long": reply(body=bytes(100)),
    "closed": b"",
}


@pytest.mark.parametrize("reason", ANSWERS)
def test_a_redirect_is_not_followed_a_long_answer_not_taken_and_nothing_asked_twice(
    plain: Plain, server: Server, reason: str
) -> None:
    server.behave = lambda _: ANSWERS[reason]
    with pytest.raises(NotReachable) as failed:
        plain.get("catalogue/timestamp.json", max_bytes=99)
    assert failed.value.reason == reason
    assert len(server.asked) == 1


@pytest.mark.parametrize("base", ["http://127.0.0.1/", "https://127.0.0.1/metadata", "127.0.0.1/"])
def test_a_base_is_an_https_url_with_a_slash_at_its_end(base: str, plain: Plain) -> None:
    context = plain._mirror._pool.conn_kw["ssl_context"]
    with pytest.raises(ValueError, match="no https URL"):
        Plain(base, context)
