"""What a program says where only the client's dependencies are installed: one sentence, and no traceback.

The wheel holds the code of all three programs, but what CA and mirror need beside the client's comes with an extra.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_OURS = {"ca", "mirror", "spot_client"}


@contextmanager
def needing(program: str, extra: str) -> Iterator[None]:
    """End with 1 and one sentence, if what the block imports is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in _OURS:
            raise
        print(  # noqa: T201  click is what could be missing
            f"{program} needs {missing}, which is not installed: name the extra behind the wheel's file, as in "
            f"pip install 'spot_mirror-VERSION-py3-none-any.whl[{extra}]'.",
            file=sys.stderr,
        )
        sys.exit(1)
