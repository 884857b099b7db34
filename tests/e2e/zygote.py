"""Runs SPOT by the hundred, and kills it: `tests/e2e/warm.py` forks for each run instead of starting Python anew."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from tests.e2e.world import Done

WARM: Final = Path(__file__).with_name("warm.py")
KILLED: Final = -9


class Zygote:
    """The warm process; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(WARM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def spot(self, root: Path, *command: str, step: int = 0, seconds: float = 0) -> Done:
        """Run SPOT on `root`; its output is all in `out`.

        Args:
            step: killed just before this change to the file system below `root`, counted from 1; 0: not killed.
            seconds: killed after so many; 0: not killed.
        """
        out = root.with_name(f"{root.name}.out")
        out.write_text("")
        order = {"arguments": ["--root", str(root), *command], "folder": str(root), "step": step}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({**order, "seconds": seconds, "out": str(out)}) + "\n")
        code = int(self._process.stdout.readline())
        text = out.read_text()
        assert "Traceback" not in text, text
        return Done(code, text, "")
