"""`spot-mirror scrub`: the real command, its lines, its document, its exit codes, and what the check says after it."""

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import make_house
from tests.mirror.content.rig import Mirror
from tests.mirror.test_metrics import read

SPOT_MIRROR = str(Path(sysconfig.get_path("scripts")) / "spot-mirror")
PACK = "releases/sdk/botocore/1.40.0/any/pack"


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path, make_house(lambda: ec.generate_private_key(ec.SECP256R1())))
    mirror.publish()
    mirror.config()
    return mirror


def spot_mirror(mirror: Mirror, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    command = [SPOT_MIRROR, words[0], "--config", str(mirror.folder / "mirror.toml"), *words[1:]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def damage(mirror: Mirror) -> None:
    path = mirror.data / PACK
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(raw)


def test_what_is_whole_is_said_in_one_line(mirror: Mirror) -> None:
    code, out, err = spot_mirror(mirror, "scrub")
    assert code == 0
    assert out.startswith("ok       2 releases and 7 targets of the catalogue were read, ")
    assert out.count("\n") == 1
    assert "Checking sdk/botocore 1.40.0 for any" in err


def test_what_is_damaged_is_named_with_the_next_step_and_exits_with_9(mirror: Mirror) -> None:
    damage(mirror)
    code, out, _ = spot_mirror(mirror, "scrub")
    assert code == 9
    assert out.startswith(
        "problem  The release sdk/botocore 1.40.0 for any is not whole: its pack is not what was signed"
    )
    assert "Restore" in out


def test_the_document_has_findings_and_numbers(mirror: Mirror) -> None:
    code, out, _ = spot_mirror(mirror, "scrub", "--json")
    document = json.loads(out)
    assert (code, document["worst"], document["releases"], document["targets"]) == (0, "ok", 2, 7)
    assert document.keys() == {"worst", "findings", "releases", "targets", "size", "ended"}
    damage(mirror)
    document = json.loads(spot_mirror(mirror, "scrub", "--json")[1])
    assert (document["worst"], [one["code"] for one in document["findings"]]) == ("problem", ["wrong-digest"])


def test_the_check_warns_until_one_came_to_an_end_and_tells_what_it_found(mirror: Mirror) -> None:
    assert "scrub" in spot_mirror(mirror, "check", "--quiet")[1]
    spot_mirror(mirror, "scrub")
    assert spot_mirror(mirror, "check", "--quiet") == (0, "", "")
    damage(mirror)
    spot_mirror(mirror, "scrub")
    code, out, _ = spot_mirror(mirror, "check", "--quiet")
    assert (code, "found 1 damaged or missing: releases/sdk/botocore/1.40.0/any." in out) == (9, True)


def test_the_check_s_metrics_tell_of_it(mirror: Mirror, tmp_path: Path) -> None:
    path = tmp_path / "spot-mirror.prom"
    spot_mirror(mirror, "check", "--metrics", str(path))
    assert not any("scrub" in name for name, *_ in read(path.read_bytes()))
    damage(mirror)
    spot_mirror(mirror, "scrub")
    spot_mirror(mirror, "check", "--metrics", str(path))
    samples = read(path.read_bytes())
    assert samples["spot_mirror_scrub_findings",] == 1
    assert samples["spot_mirror_scrub_timestamp_seconds",] > 1.7e9


def test_it_runs_beside_a_mirror_that_serves(mirror: Mirror) -> None:
    with mirror.running():
        mirror.config(listen=f"127.0.0.1:{mirror.port}")
        assert spot_mirror(mirror, "scrub", "--rate", "1000")[0] == 0
        assert mirror.caller(mirror.party())("/" + PACK)[0] == 200


def test_without_a_catalogue_it_says_so_in_a_sentence(mirror: Mirror) -> None:
    (mirror.data / "catalogue/timestamp.json").unlink()
    code, out, err = spot_mirror(mirror, "scrub")
    assert (code, out) == (6, "")
    assert err.startswith("spot-mirror: ")
    assert not (mirror.data / "scrub.json").exists()
