"""The chapters, followed word for word by a newcomer on a machine of its own: ops, then product, then support.

The machine is this one under a layer that takes all writes, so that users and folders in `/etc` are what the chapters
say, and nothing of them stays. It takes root, overlay mounts, and port 443.
"""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT, blocks
from tests.hostile.needs import need, need_program, need_root

PYTHON = "/usr/bin/python3"  # one that all users of the machine may run
CHAPTERS = ("ops", "product", "support")

# After all chapters: another start while the mirror runs. The `ready` of the first one stands in the log by then.
AGAIN = """\
first=$(cat /run/spot-mirror.pid)
echo second start
{start}
test "$(cat /run/spot-mirror.pid)" = "$first"
kill -0 "$first"
echo end of second start
"""

MACHINE = """\
set -eu
mount -t tmpfs layer "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay machine -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
cd "$1/root"
exec chroot . bash -eu "$2"
"""


def ready() -> bool:
    """Whether this machine lets us make another one."""
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return tried.returncode == 0 and "overlay" in Path("/proc/filesystems").read_text()


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.slow
def test_a_newcomer_gets_through_all_chapters_word_for_word(tmp_path: Path) -> None:
    need_root()
    for program in ("unshare", "runuser", "setpriv", "useradd", "openssl"):
        need_program(program)
    need("namespaces and overlay mounts", here=ready())
    need(PYTHON, here=os.access(PYTHON, os.X_OK))
    need("port 443", here=is_free(443))
    told = [script for chapter in CHAPTERS for script in blocks((DOCS / f"{chapter}.md").read_text(), "sh")]
    script = tmp_path / "script"
    (start,) = [one for one in told if "spot-mirror serve" in one]
    script.write_text("\n".join([f"cd {ROOT}", *told, AGAIN.format(start=start)]))
    layer = tmp_path / "layer"
    layer.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SPOT_")}
    done = subprocess.run(
        ["unshare", "-mpf", "--kill-child", "sh", "-c", MACHINE, "machine", str(layer), str(script)],
        env={**clean, "PYTHON": PYTHON},
        capture_output=True,
        text=True,
        timeout=480,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    advice = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("advice")]
    assert advice == ["This", "This"]  # user, user
    second = done.stdout.partition("second start\n")[2].partition("end of second start")[0]
    assert "ready on" not in second
    assert "is serving with" in second
    refused = re.search(r"\(request ([0-9a-f]{16})\)", done.stderr)
    assert refused is not None
    logged = [json.loads(line) for line in done.stdout.splitlines() if '"status":403' in line]
    assert [(line["reason"], line["request"]) for line in logged] == [("suspended", refused[1])]
