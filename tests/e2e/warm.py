"""A warm SPOT that forks for each run: everything is imported, no thread lives, nothing is connected or open.

Reads orders as lines of JSON: `arguments` of spot, `folder`, `step`, `seconds`, `out`. The child ends as `kill -9`
ends it just before its `step`-th change to the file system below `folder` (never, if 0), or after `seconds` (never, if
0). Answers each with the child's exit code (-9 if it was killed). The child's output goes to the file `out`.
"""

import os
import signal
import sys

import msgspec

import spot_client.compose
import spot_client.enrol
import spot_client.report  # noqa: F401  all three: imported before the forks, not in each
from spot_client.cli import main

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {
    "os.rename",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "os.chmod",
    "os.truncate",
    "os.utime",
    "shutil.rmtree",
    "shutil.copyfile",
    "shutil.move",
}


def count(folder: str, last: int) -> None:
    """Kill this process just before its `last`-th change below `folder`."""
    seen = 0

    def watch(event: str, details: tuple[object, ...]) -> None:
        nonlocal seen
        changes = event in _CHANGES or (event == "open" and isinstance(details[2], int) and details[2] & _WRITING)
        # a chmod by descriptor and a removal relative to a folder name no path: they are SPOT's own all the same
        if changes and (not isinstance(details[0], str) or not details[0].startswith("/") or folder in details[0]):
            seen += 1
            if seen == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


class Order(msgspec.Struct):
    """One line of the input."""

    arguments: list[str]
    folder: str
    step: int
    seconds: float
    out: str


def child(order: Order) -> int:
    """Run spot, with its output in a file; its exit code."""
    out = os.open(order.out, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(out, stream)
    if order.step:
        count(order.folder, order.step)
    sys.argv = ["spot", *order.arguments]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def serve() -> None:
    """Answer orders until there are no more."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    for line in sys.stdin:
        order = msgspec.json.decode(line, type=Order)
        pid = os.fork()
        if pid == 0:
            os._exit(child(order))
        if order.seconds:
            signal.sigtimedwait({signal.SIGCHLD}, order.seconds)
            os.kill(pid, signal.SIGKILL)  # it is not reaped yet: the number is still its own
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        signal.sigtimedwait({signal.SIGCHLD}, 0)
        os.write(1, f"{code}\n".encode())


if __name__ == "__main__":
    serve()
