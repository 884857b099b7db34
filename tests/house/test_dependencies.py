"""What is imported is declared, what is declared is imported, and the formats load next to nothing."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, distributions
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.source import ROOT, foreign, origin, trees, within

DISTRIBUTIONS = {
    "OpenSSL": "pyopenssl",
    "backports": "backports.zstd",
    "prometheus_client": "prometheus-client",
    "sqlite_utils": "sqlite-utils",
}
"""Distributions that are not called like the package they bring; those of a test or a build are not looked at."""


def project() -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return declared


def declared(*extras: str) -> set[str]:
    extra = project()["optional-dependencies"]
    lines = [*project()["dependencies"], *(line for name in extras for line in extra[name])]
    return {found[0] for line in lines if (found := re.match(r"[A-Za-z0-9._-]+", line))}


def used(*packages: str) -> set[str]:
    tops = {
        origin(found).split(".")[0] for name in trees() if within(name, *packages) for found in foreign(name)
    } - sys.stdlib_module_names
    return {DISTRIBUTIONS.get(top, top) for top in tops if top != "compression"}


def test_the_client_uses_the_base_installation_only() -> None:
    assert used("spot_client") <= declared()


def test_the_ca_and_the_mirror_use_the_base_and_their_own_extra_only() -> None:
    assert used("ca") <= declared("ca")
    assert used("mirror") <= declared("mirror") | {"securesystemslib"}  # securesystemslib: tuf's own signing side


def test_nothing_is_declared_that_is_not_used() -> None:
    assert declared("ca", "mirror") <= used("ca", "mirror", "spot_client")


def test_the_lock_has_a_hash_for_every_line_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^[a-z0-9].*==.*(?:\n +--hash.*)*", lock, re.MULTILINE)
    assert len(pins) > len(declared("ca", "mirror"))
    assert all("--hash=sha256:" in pin for pin in pins)
    assert "://" not in lock


def test_the_lock_names_every_extra_that_is_needed() -> None:
    """Else pip of Python 3.11 refuses the whole lock on the day when a newer version of such a distribution comes."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = [Requirement(line) for line in re.findall(r"^([a-z0-9][^ ;]*==[^ ;]*)", lock, re.MULTILINE)]
    named = {canonicalize_name(pin.name): pin.extras for pin in pins}
    needed = [
        one
        for name in named.keys() & {canonicalize_name(found.name) for found in distributions()}
        for one in map(Requirement, distribution(name).requires or ())
        if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""}))
    ]
    assert any(one.name == "coverage" for one in needed)
    assert all(one.extras <= named[canonicalize_name(one.name)] for one in needed), needed


FORMATS = f"import {', '.join(name for name in trees() if within(name, 'spot_client.wire'))}"
COMMAND = """import contextlib, sys
from spot_client.cli import main
sys.argv = ["spot", "--version"]
with contextlib.suppress(SystemExit):
    main()
"""


@pytest.mark.parametrize("program", [FORMATS, COMMAND], ids=["the formats", "spot --version"])
def test_neither_signed_metadata_nor_http_is_loaded_without_need(program: str) -> None:
    script = f"{program}\nimport sys\nprint(*sys.modules)"
    # Coverage measures child processes too, and loads sqlite3 for it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "spot_client" in loaded
    assert not loaded & {"aiohttp", "mirror", "requests", "rich", "sqlite3", "tuf", "urllib3"}
