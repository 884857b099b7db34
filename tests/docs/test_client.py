"""docs/formats.md is enough: a client written from it alone does the main job against the real mirror."""

import ast
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import client
from tests.e2e.world import BIG, MATHS, NEW, OLD, TOOL, World, read_tree


@pytest.fixture
def bundle(world: World) -> dict[str, object]:
    return client.read_bundle((world.folder / "globex.bundle").read_bytes())


@pytest.fixture
def connection(bundle: dict[str, object], tmp_path: Path) -> Iterator[client.Connection]:
    credentials = tmp_path / "client.pem"
    credentials.touch(mode=0o600)
    credentials.write_text(f"{bundle['client_key']}{bundle['client_certificate']}")
    mirrors = bundle["mirrors"]
    assert isinstance(mirrors, list)
    connection = client.Connection(mirrors[0], credentials)
    yield connection
    connection.close()


@pytest.fixture
def catalogue(bundle: dict[str, object], connection: client.Connection) -> client.Catalogue:
    catalogue = client.Catalogue(connection, str(bundle["catalogue_root"]))
    catalogue.refresh(client.utc_now())
    return catalogue


def test_the_client_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(client.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    modules = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module or "." for node in imports if isinstance(node, ast.ImportFrom)}
    packages = {module.partition(".")[0] for module in modules}
    # `compression` is the standard library's from Python 3.14 on; below, `backports` brings it.
    assert packages - sys.stdlib_module_names - {"compression"} == {"backports", "cryptography"}


def test_it_enrols_and_a_repeated_request_gets_the_same_id(world: World, connection: client.Connection) -> None:
    key = client.random_key()
    installation = client.enrol(connection, key)
    assert client.enrol(connection, key) == installation
    assert client.enrol(connection, client.random_key()) != installation
    assert client.short_form(installation) in world.succeed("spot-mirror", "thin-snapshots", "list")


def test_it_installs_a_release_and_reports_it(
    world: World, connection: client.Connection, catalogue: client.Catalogue, tmp_path: Path
) -> None:
    offered = catalogue.index("sdk", "tool", client.utc_now())["releases"]
    assert [release["version"] for release in offered] == [OLD, NEW]
    client.download(connection, offered[-1], TOOL, tmp_path / "tree")
    assert read_tree(tmp_path / "tree") == world.trees[TOOL, NEW]
    installation = client.enrol(connection, client.random_key())
    assert client.put_thin_snapshot(connection, installation, {TOOL: NEW}) == 204
    with world.records() as records:
        assert records.thin_snapshots(installation, 1)[0].components == {TOOL: NEW}


def test_it_reads_a_file_that_lies_in_several_blocks(
    world: World, connection: client.Connection, catalogue: client.Catalogue, tmp_path: Path
) -> None:
    release = catalogue.index("science", "maths", client.utc_now())["releases"][0]
    manifest = client.download(connection, release, MATHS, tmp_path / "tree")
    assert [block["size"] for block in manifest["blocks"]] == [16 * 2**20, BIG - 16 * 2**20]
    assert read_tree(tmp_path / "tree") == world.trees[MATHS, "2.0"]


def test_a_poll_without_news_is_one_request_that_is_answered_in_a_few_bytes(connection: client.Connection) -> None:
    path = "/catalogue/timestamp.json"
    _, headers, raw = connection.ask("GET", path, most=16_384)
    assert headers["etag"] == f'"{hashlib.sha256(raw).hexdigest()}"'
    assert headers["cache-control"] == "private, no-cache"
    assert (headers["content-length"], "date" in headers) == (f"{len(raw)}", True)
    known = {"If-None-Match": headers["etag"]}
    assert connection.ask("GET", path, most=0, headers=known)[::2] == (304, b"")


def test_several_ranges_come_as_parts_and_those_that_touch_are_joined(
    connection: client.Connection, catalogue: client.Catalogue
) -> None:
    release = catalogue.index("science", "maths", client.utc_now())["releases"][0]
    path = f"/releases/{MATHS}/2.0/any/pack"
    whole = connection.get(path, most=64 * client.MIB)
    spec = {"Range": "bytes=0-9,20-29,30-34,-5"}
    status, headers, raw = connection.ask("GET", path, most=4096, headers=spec)
    assert (status, headers["etag"]) == (206, f'"{release["manifest"]["head"]}.pack"')
    kind, _, boundary = headers["content-type"].partition("; boundary=")
    assert kind == "multipart/byteranges"
    parts = [part.partition(b"\r\n\r\n") for part in raw.split(b"--" + boundary.encode())[1:-1]]
    bodies = [body.removesuffix(b"\r\n") for _, _, body in parts]
    assert bodies == [whole[:10], whole[20:35], whole[-5:]]
    said = [re.findall(rb"Content-Range: bytes ([0-9]+-[0-9]+)/", head) for head, _, _ in parts]
    assert said == [[b"0-9"], [b"20-34"], [f"{len(whole) - 5}-{len(whole) - 1}".encode()]]


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [
        ("GET", "/releases/nosuch/thing/1.0/any/manifest", (403, "not-licensed")),
        ("GET", "/catalogue/1.nosuch.json", (403, "not-licensed")),
        ("GET", "/catalogue/9999.root.json", (404, "not-found")),
        ("GET", f"/releases/{TOOL}/9.9/any/pack", (404, "not-found")),
        ("GET", "/licences?all", (404, "not-found")),
        ("DELETE", "/licences", (405, "method-not-allowed")),
        ("PUT", "/installations/0000000000000000/thin-snapshot", (403, "not-your-installation")),
    ],
)
def test_it_is_refused_as_the_page_says(
    connection: client.Connection, method: str, path: str, refusal: tuple[int, str]
) -> None:
    with pytest.raises(client.Refused) as refused:
        connection.ask(method, path, most=0)
    assert refused.value.args == refusal


def test_a_thin_snapshot_with_anything_else_in_it_is_refused(connection: client.Connection) -> None:
    installation = client.enrol(connection, client.random_key())
    for components in ({TOOL: "7.7"}, {"hello/world": "1.0"}, {TOOL: "host=web1"}):
        with pytest.raises(client.Refused) as refused:
            client.put_thin_snapshot(connection, installation, components)
        assert refused.value.args == (422, "bad-thin-snapshot")


def test_licences_are_as_the_page_says(connection: client.Connection) -> None:
    said = client.document(connection.get("/licences", most=2**18), {"customer", "licences"}, most=2**18)
    assert [line["product"] for line in said["licences"]] == ["science", "sdk"]
    for line in said["licences"]:
        client.exactly(line, {"product", "channels", "valid_from", "valid_until", "installations"})


def test_what_is_changed_on_the_way_is_noticed(
    world: World, connection: client.Connection, catalogue: client.Catalogue, tmp_path: Path
) -> None:
    """The client's own checks bite: otherwise it would prove nothing about the page."""
    release = catalogue.index("sdk", "tool", client.utc_now())["releases"][-1]
    sealed = (world.folder / f"data/releases/{TOOL}/{NEW}/any/manifest").read_bytes()
    assert client.unseal(sealed, release["manifest"])["version"] == NEW
    for place in (0, 100, len(sealed) - 1):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(client.NotTrusted):
            client.unseal(changed, release["manifest"])
    root = json.loads((world.folder / "data/catalogue/1.root.json").read_bytes())
    root["signed"]["version"] = 2
    with pytest.raises(client.NotTrusted, match="not signed"):
        client.Catalogue(connection, json.dumps(root))
    keys = root["signed"]["keys"]
    keys["0" * 64] = next(iter(keys.values()))
    with pytest.raises(client.NotTrusted, match="two ids"):
        client.Catalogue(connection, json.dumps(root))
    with pytest.raises(client.NotTrusted, match="expired"):
        catalogue.refresh(client.utc_now().replace(year=2100))
    assert os.listdir(tmp_path) == ["client.pem"]  # noqa: PTH208
