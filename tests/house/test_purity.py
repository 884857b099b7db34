"""The pure core: no I/O, no clock, no randomness, neither in a module itself nor in what it loads."""

import ast
from collections.abc import Iterator

import pytest

from tests.house.source import closure, foreign, trees, within

PURE = [
    "ca.bundle",
    "ca.credentials",
    "ca.customers",
    "ca.descent",
    "ca.entry",
    "ca.finding",
    "ca.identity",
    "ca.issue",
    "ca.lifetimes",
    "ca.peer",
    "ca.pins",
    "ca.profiles",
    "ca.renewing",
    "ca.request",
    "ca.revocation",
    "ca.strict_json",
    "mirror.content.limits",
    "mirror.content.policy",
    "mirror.content.proxied",
    "mirror.content.ranges",
    "mirror.content.world",
    "mirror.limits",
    "mirror.counters",
    "mirror.health.answers",
    "mirror.health.status",
    "mirror.memory.layout",
    "mirror.memory.values",
    "mirror.control.orders",
    "mirror.control.pace",
    "mirror.control.reports",
    "mirror.control.totals",
    "mirror.control.values",
    "mirror.control.writes",
    "mirror.counters",
    "mirror.records.protocol",
    "mirror.records.told",
    "mirror.support.fleet",
    "spot_client.fetch.lapse",
    "spot_client.fetch.pace",
    "spot_client.fetch.rest",
    "spot_client.fetch.rules",
    "spot_client.fetch.speeds",
    *(name for name in trees() if within(name, "spot_client.decide", "spot_client.wire")),
]

COMPUTING = (  # what only computes; `sys` and `cryptography` can do more: `effects`
    "backports.zstd",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "compression.zstd",
    "cryptography",
    "csv",
    "datetime",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "msgspec",
    "operator",
    "packaging",
    "re",
    "sys",
    "tomllib",
    "typing",
    "unicodedata",
    "urllib.parse",
)
WORDS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}
RANDOM = {"generate", "generate_key", "generate_parameters", "generate_private_key", "random_serial_number", "urandom"}
MEMBERS = {
    "date": {"today"},
    "datetime": {"now", "today", "utcnow"},
    "hashlib": {"file_digest"},
    "json": {"dump", "load"},
    "tomllib": {"load"},
    "zstd": {"open", "ZstdFile"},
}


def effects(module: str) -> Iterator[str]:
    """What the text of a module does beside computing."""
    for imported in foreign(module):
        whole = imported.replace(":", ".")
        owner, _, name = whole.rpartition(".")
        if not within(whole, *COMPUTING) or owner == "sys" or name in MEMBERS.get(owner, RANDOM):
            yield f"{module} imports {whole}"
    for node in ast.walk(trees()[module]):
        match node:
            case ast.Name(id=name) if name in WORDS:
                yield f"{module} line {node.lineno}: {name}"
            case ast.Attribute(value=ast.Name(id="sys"), attr=name) if name != "version_info":
                yield f"{module} line {node.lineno}: sys.{name}"
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if (
                name in RANDOM or name in MEMBERS.get(owner, ())
            ):
                yield f"{module} line {node.lineno}: {owner}.{name}"


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_and_all_that_it_loads_only_compute(module: str) -> None:
    assert {effect for loaded in closure(module) for effect in effects(loaded)} == set()


def test_what_is_no_computation_is_noticed() -> None:
    found = {line.rpartition(" ")[2] for module in ("ca.files", "mirror.cli.customers") for line in effects(module)}
    assert {"os", "datetime.now"} <= found
    assert "ca.files" in closure("ca.tls")
