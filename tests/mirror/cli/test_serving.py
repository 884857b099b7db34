"""`spot-mirror serve`: the real command, from the line that it is ready to its exit code."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mirror import catalogue
from spot_client.wire import manifest
from tests.ca.house import REALM, make_house
from tests.mirror.content.rig import BIG, Mirror

SPOT_MIRROR = str(Path(sysconfig.get_path("scripts")) / "spot-mirror")
PACK = "/releases/sdk/botocore/1.40.0/any/pack"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path, make_house(lambda: ec.generate_private_key(ec.SECP256R1())))


def serve(config: Path) -> tuple[int, str, str]:
    """Exit code, and what was said, of a command that does not get to serving."""
    done = subprocess.run(
        [SPOT_MIRROR, "serve", "--config", str(config)], capture_output=True, text=True, timeout=20, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_running_download_ends_after_sigterm_and_then_the_command_with_0(mirror: Mirror) -> None:
    release = mirror.publish(BIG)
    with mirror.running(command=(SPOT_MIRROR, "serve", "--config")) as process:
        caller = mirror.caller(mirror.party())
        caller.connection.request("GET", PACK)
        response = caller.connection.getresponse()
        process.send_signal(signal.SIGTERM)
        mirror.until(lambda: '"stopping"' in mirror.stderr())
        assert process.poll() is None
        assert response.read() == release.pack
        assert process.wait(10) == 0
    assert "Traceback" not in mirror.stderr()


def test_without_a_catalogue_it_says_so_in_one_sentence_and_ends_with_6(mirror: Mirror) -> None:
    code, out, err = serve(mirror.config())
    assert (code, out) == (6, "")
    assert err.startswith("spot-mirror: ")
    assert "spot-mirror init" in err
    assert err.count("\n") == 1


def test_before_the_first_catalogue_is_signed_it_says_what_waits(mirror: Mirror) -> None:
    staged = mirror.data / "publishing/staged.json"
    staged.parent.mkdir()
    staged.touch()
    code, _, err = serve(mirror.config())
    assert (code, "spot-mirror staged" in err, "backup" in err, err.count("\n")) == (6, True, False, 1)


def test_a_key_that_others_may_read_ends_with_5(mirror: Mirror) -> None:
    mirror.publish()
    mirror.server["key"].chmod(0o640)
    code, _, err = serve(mirror.config())
    assert (code, "chmod 600" in err, err.count("\n")) == (5, True, 1)


def test_a_port_in_use_ends_with_5(mirror: Mirror) -> None:
    mirror.publish()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = serve(mirror.config(listen=f"127.0.0.1:{taken.getsockname()[1]}"))
    assert (code, "another process listens there" in err, err.count("\n")) == (5, True, 1)


def test_a_second_one_for_the_same_data_ends_with_7_and_the_first_goes_on(mirror: Mirror) -> None:
    """They would take each other's audit lines, and both write."""
    mirror.publish()
    with mirror.running():
        port, caller = mirror.port, mirror.caller(mirror.party())
        code, _, err = serve(mirror.config(listen="127.0.0.1:0"))
        assert (code, "is serving with" in err, err.count("\n")) == (7, True, 1)
        assert (mirror.port, caller("/licences")[0]) == (port, 200)


def test_a_revocation_list_that_cannot_be_believed_ends_with_5(mirror: Mirror) -> None:
    mirror.publish()
    (mirror.folder / "issuing.crl").write_bytes(b"none")
    code, _, err = serve(mirror.config())
    assert (code, "issuing.crl" in err, err.count("\n")) == (5, True, 1)


@pytest.mark.parametrize("text", ["realm = 1", "realm = 'build.example.com'\nunknown = 1", "not toml"])
def test_a_configuration_that_cannot_be_used_ends_with_5(mirror: Mirror, text: str) -> None:
    config = mirror.config()
    config.write_text(text)
    code, _, err = serve(config)
    assert (code, "Traceback" in err) == (5, False)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("data", 5),
        ("server.crt", 5),
        ("server.key", 5),
        ("issuing.crt", 5),
        ("issuing.crl", 5),
        ("data/catalogue", 6),
        ("data/catalogue/timestamp.json", 6),
        ("data/records.sqlite", 6),
    ],
)
def test_a_file_where_a_folder_must_be_or_the_reverse_is_named_in_one_sentence(
    mirror: Mirror, name: str, code: int
) -> None:
    mirror.publish()
    path = mirror.folder / name
    if path.is_dir():
        shutil.rmtree(path)
        path.touch(0o600)
    else:
        path.unlink()
        path.mkdir(0o700)
    found, out, err = serve(mirror.config())
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert str(path) in err


def test_without_its_data_folder_it_says_how_to_make_one(mirror: Mirror) -> None:
    for name in ("nowhere", "server.crt/data"):
        config = mirror.config()
        config.write_text(config.read_text().replace('"data"', f'"{name}"'))
        code, _, err = serve(config)
        assert (code, "spot-mirror init" in err, err.count("\n")) == (5, True, 1)


def test_its_help_names_the_signals() -> None:
    done = subprocess.run([SPOT_MIRROR, "serve", "--help"], capture_output=True, text=True, timeout=20, check=True)
    for word in ("SIGTERM", "SIGHUP", "--config", "drain_seconds"):
        assert word in done.stdout


@pytest.mark.slow
def test_what_the_other_commands_write_is_what_it_serves(tmp_path: Path) -> None:
    house = make_house(lambda: ec.generate_private_key(ec.SECP256R1()))
    mirror = Mirror(tmp_path, house, bare=True)
    environment = {**os.environ, "SPOT_MIRROR_PASSPHRASE": "correct horse battery"}

    def run(*words: str) -> None:
        done = subprocess.run(
            [SPOT_MIRROR, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "module.py").write_text("answer = 42\n")
    files = (
        "--certificate",
        "server.crt",
        "--key",
        "server.key",
        "--issuing-ca",
        "issuing.crt",
        "--crl",
        "issuing.crl",
    )
    run("init", "--development", "--realm", REALM, *files, "--listen", "127.0.0.1:0")
    run("customer", "add", "acme")
    run("licence", "grant", "acme", "sdk")
    run("publish", "sdk/core", "1.0", "tree")
    with mirror.running_as_configured((SPOT_MIRROR, "serve", "--config")):
        acme = mirror.caller(mirror.party())
        assert acme("/catalogue/timestamp.json")[0] == 200
        status, headers, raw = acme("/releases/sdk/core/1.0/any/manifest")
        assert status == 200
        offered = catalogue.load(tmp_path / "data" / "catalogue").release("sdk", "core", "1.0", "any")
        assert offered is not None
        assert headers["ETag"] == f'"{offered.manifest.head}"'
        described = manifest.decode(raw, offered.manifest)
        pack = acme("/releases/sdk/core/1.0/any/pack")[2]
        assert len(pack) == sum(block.length for block in described.blocks)
        (tmp_path / "tree" / "module.py").write_text("answer = 43\n")
        run("publish", "sdk/core", "1.1", "tree")
        mirror.until(lambda: acme("/releases/sdk/core/1.1/any/pack")[0] == 200)
        run("licence", "end", "acme", "sdk")
        mirror.until(lambda: acme("/releases/sdk/core/1.1/any/pack")[0] == 403)
