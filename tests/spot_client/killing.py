"""A child that ends before one of its changes to a file, as by a power cut."""

import os
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.e2e.warm import count


def killed(work: Callable[[], object], root: Path, step: int) -> bool:
    """Do the work in a child that ends just before its `step`-th change to a file below `root`."""
    child = os.fork()
    if child == 0:
        try:
            count(str(root), step)
            work()
        except BaseException:  # noqa: BLE001  the child ends here, whatever happened
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -9}
    return code == -9
