"""`spot-mirror check`: the real command, its lines, its document and its exit codes."""

import json
import subprocess
import sysconfig
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.ca.house import make_house
from tests.mirror.content.rig import Mirror
from tests.mirror.test_metrics import read

SPOT_MIRROR = str(Path(sysconfig.get_path("scripts")) / "spot-mirror")


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    mirror = Mirror(tmp_path, make_house(lambda: ec.generate_private_key(ec.SECP256R1())))
    mirror.publish()
    mirror.scrubbed()
    mirror.config()
    return mirror


def check(mirror: Mirror, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    command = [SPOT_MIRROR, "check", "--config", str(mirror.folder / "mirror.toml"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_mirror_in_order_is_told_line_by_line_and_exits_with_0(mirror: Mirror) -> None:
    code, out, err = check(mirror)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert all(line.startswith(("ok       ", "advice   ", "         ")) for line in lines)
    assert len(lines) > 15


def test_a_mirror_in_order_is_passed_over_in_silence_for_cron(mirror: Mirror) -> None:
    assert check(mirror, "--quiet") == (0, "", "")
    assert check(mirror, "--quiet", "--deep") == (0, "", "")


def test_what_is_to_be_mended_is_told_with_the_next_step_and_exits_with_9(mirror: Mirror) -> None:
    mirror.server["key"].chmod(0o644)
    code, out, _ = check(mirror, "--quiet")
    assert code == 9
    assert out.startswith("problem  Others may read ")
    assert "chmod 600" in out


def test_the_document_has_all_findings_and_the_worst(mirror: Mirror) -> None:
    (mirror.data / "releases/sdk/botocore/1.40.0/any/pack").unlink()
    code, out, err = check(mirror, "--json")
    document = json.loads(out)
    assert (code, err, document["worst"]) == (9, "", "problem")
    assert all(one.keys() == {"severity", "code", "what", "next"} for one in document["findings"])
    assert {one["severity"] for one in document["findings"]} == {"ok", "advice", "problem"}
    quiet = json.loads(check(mirror, "--json", "--quiet")[1])
    assert [one["code"] for one in quiet["findings"]] == ["missing"]


def test_how_far_it_has_come_is_told_beside_the_document(mirror: Mirror) -> None:
    code, out, err = check(mirror, "--json", "--deep")
    assert (code, json.loads(out)["worst"]) == (0, "advice")
    assert "Checking sdk/botocore 1.40.0" in err


def test_without_a_configuration_it_says_how_to_make_one(mirror: Mirror) -> None:
    (mirror.folder / "mirror.toml").unlink()
    code, out, _ = check(mirror)
    assert code == 9
    assert out.startswith("problem  ")
    assert "spot-mirror init" in out


def test_metrics_are_written_whole_and_readable_for_all(mirror: Mirror) -> None:
    path = mirror.folder / "spot.prom"
    path.write_text("old")
    assert check(mirror, "--quiet", "--metrics", str(path)) == (0, "", "")
    found = read(path.read_bytes())
    kinds = Counter(labels[0] for name, *labels in found if name == "spot_mirror_expiry_timestamp_seconds")
    assert kinds == {"catalogue": 7, "server-certificate": 1, "issuing-ca": 1, "revocation-list": 1}
    assert found["spot_mirror_check_findings", "problem"] == 0
    assert (found["spot_mirror_licences", "in-force"], found["spot_mirror_licences", "over"]) == (3, 1)
    assert ("spot_mirror_licence_end_timestamp_seconds",) not in found  # those in force have no end
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in path.parent.glob(".*")] == []


def test_metrics_tell_of_a_mirror_that_cannot_be_read(mirror: Mirror) -> None:
    path = mirror.folder / "spot.prom"
    (mirror.folder / "mirror.toml").write_text("what = 1")
    assert check(mirror, "--quiet", "--metrics", str(path))[0] == 9
    found = read(path.read_bytes())
    assert found["spot_mirror_check_findings", "problem"] == 1
    assert {name for name, *_ in found} == {"spot_mirror_check_findings", "spot_mirror_check_timestamp_seconds"}


def test_metrics_that_cannot_be_written_are_told_after_the_findings(mirror: Mirror) -> None:
    code, out, err = check(mirror, "--metrics", str(mirror.folder / "nowhere/spot.prom"))
    assert code == 1
    assert "ok" in out
    assert "nowhere" in err
