"""The wheels that the demo publishes: fetched from the package index once, held to their hashes every time."""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

LISTS = Path(__file__).parent / "wheels"
_HERE = f"{'macos' if sys.platform == 'darwin' else 'linux'}-" + (
    "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"
)
COMPONENTS = {"sdk/botocore": "any", "science/numpy": _HERE}
"""What the wheels are published as, with the platform of each."""


def fetch(listed: str, cache: Path) -> dict[str, Path]:
    """The wheels of one list (`first` or `second`) by package, from `cache` or from the package index.

    Raises:
        SystemExit: a wheel could not be fetched, or is not what the list says.
    """
    requirements = LISTS / f"{listed}.txt"
    names = [line.split()[0].split("==") for line in requirements.read_text().splitlines() if "==" in line]
    cache.mkdir(parents=True, exist_ok=True)
    wheels = {package: _cached(cache, package, version) for package, version in names}
    if not all(wheels.values()):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        # One Python for everybody: the same wheels wherever the demo runs.
        command += ["--only-binary=:all:", "--python-version=3.11", "--require-hashes"]
        if subprocess.run([*command, "--dest", str(cache), "--requirement", str(requirements)], check=False).returncode:
            sys.exit("demo: the package index did not give the wheels. Check the network, and run it again.")
        wheels = {package: _cached(cache, package, version) for package, version in names}
    found = {package: wheel for package, wheel in wheels.items() if wheel is not None}
    allowed = requirements.read_text()
    for wheel in found.values():
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest not in allowed:
            sys.exit(f"demo: {wheel} is not the file that was published: remove it, and run it again.")
    return found


def _cached(cache: Path, package: str, version: str) -> Path | None:
    return next(iter(sorted(cache.glob(f"{package}-{version}-*.whl"))), None)
