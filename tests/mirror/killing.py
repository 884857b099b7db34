"""kill -9 in the middle of work, at a change to the disk of one's choice.

Changes are counted by an audit hook (PEP 578), which sees each one before it happens, whichever library makes it.
"""

import os
import signal
import sys
from collections.abc import Callable

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Run `work` in a child that kills itself at its change `number`; False if it got through before."""
    child = os.fork()
    if child == 0:
        left = number

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal left
            writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
            if writing or event in CHANGES:
                left -= 1
                if not left:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(hook)
            work()
        except BaseException:  # noqa: BLE001  the child must never come back into pytest
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}, f"the child failed by itself: {status}"
    return status != 0
