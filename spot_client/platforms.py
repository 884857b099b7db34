"""Which platform's releases this machine runs. Decided here, used here, never sent anywhere."""

import platform

_SYSTEMS = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}
_MACHINES = {
    "x86_64": "x86_64",
    "amd64": "x86_64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i386": "x86",
    "i686": "x86",
    "x86": "x86",
    "armv7l": "armv7",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


def name(system: str, machine: str) -> str:
    """The platform of a machine with these `uname` names; `any` where no release could be built for it."""
    known = _SYSTEMS.get(system), _MACHINES.get(machine.lower())
    return "any" if None in known else f"{known[0]}-{known[1]}"


def here() -> str:
    """The platform of this machine."""
    return name(platform.system(), platform.machine())
