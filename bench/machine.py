"""The machine that something was measured on."""

import importlib.metadata
import os
import platform
import re
import ssl
from pathlib import Path
from typing import Any

_LIBRARIES = ("spot-mirror", "aiohttp", "uvloop", "cryptography", "tuf", "urllib3")


def machine() -> dict[str, Any]:
    """What it is made of, how busy it is, and `versions` of what matters by name."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu[1] if cpu else platform.machine(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "Python": platform.python_version(),
            "OpenSSL": ssl.OPENSSL_VERSION.split()[1],
            **{name: importlib.metadata.version(name) for name in _LIBRARIES},
        },
    }
