"""Who may import whom: `ca` ← `spot_client.wire` ← `spot_client` ← `mirror`, and inside them room by room."""

import ast
from collections.abc import Callable

import pytest

from tests.house.source import PACKAGES, imports, origin, trees, within

COMPOSING = (
    "mirror.cli",
    *(
        f"mirror.{one}"
        for one in ("filled", "observed", "office", "post", "posts", "reception", "server", "serving", "worker")
    ),
)
ROOMS = ("publishing", "content", "support", "control", "health", "operator")

ISSUING = (  # of `ca`: what makes certificates, keeps the keys of the CA, or reads its folder
    "authorities",
    "batch",
    "cli",
    "facts",
    "findings",
    "founding",
    "handout",
    "inspection",
    "issue",
    "ledger",
    "listing",
    "packing",
    "showing",
    "start",
    "succession",
    "vault",
)

OPENSSL_BUILDING = {"Context", "set_options", "set_mode", "clear_mode", "set_verify", "get_cert_store"}

TLS_BUILDING = {
    "SSLContext",
    "create_default_context",
    "create_urllib3_context",
    "load_cert_chain",
    "load_default_certs",
    "load_verify_locations",
    "set_ciphers",
    "set_default_verify_paths",
    "wrap_socket",
    "_create_stdlib_context",
    "_create_unverified_context",
}


def modules_in(*packages: str) -> list[str]:
    return [name for name in trees() if within(name, *packages)]


def importers(*packages: str) -> set[str]:
    return {name for name in trees() if any(within(origin(found), *packages) for found in imports(name))}


def imports_of_ours(package: str, allowed: Callable[[str], bool]) -> dict[str, list[str]]:
    """What the modules of `package` import of ours beside what is allowed; those that keep the rule are left out."""
    found = {
        module: [name for name in imports(module) if within(origin(name), *PACKAGES) and not allowed(name)]
        for module in modules_in(package)
    }
    return {module: names for module, names in found.items() if names}


def called(module: str) -> set[str]:
    """The last names of everything that `module` calls."""
    calls = [node.func for node in ast.walk(trees()[module]) if isinstance(node, ast.Call)]
    members = {func.attr for func in calls if isinstance(func, ast.Attribute)}
    return members | {func.id for func in calls if isinstance(func, ast.Name)}


def is_format_or_version(name: str) -> bool:
    return within(origin(name), "spot_client.wire") or name == "spot_client:__version__"


def test_all_packages_are_read_and_names_told_from_modules() -> None:
    assert {"ca.identity", "spot_client.wire.names", "mirror.content.policy"} <= trees().keys()
    assert {"ca.identity:ID_PATTERN", "unicodedata"} <= imports("spot_client.wire.names")
    assert "spot_client.wire.names" in imports("spot_client.wire.routes")


def test_nothing_is_imported_in_a_way_that_these_tests_cannot_see() -> None:
    assert importers("importlib", "pkgutil", "runpy") == set()
    assert {module for module in trees() if called(module) & {"__import__", "exec", "eval"}} == set()


def test_trust_knows_neither_client_nor_mirror() -> None:
    assert imports_of_ours("ca", lambda name: within(origin(name), "ca")) == {}


def test_formats_know_names_and_json_and_one_another() -> None:
    known = {"ca.identity", "ca.strict_json", "ca.errors", "ca.reading"}
    assert imports_of_ours("spot_client.wire", lambda name: origin(name) in known or is_format_or_version(name)) == {}


def test_the_client_knows_nothing_of_the_mirror_and_only_its_own_half_of_trust() -> None:
    known = {"ca.identity", "ca.tls", "ca.bundle", "ca.errors", "ca.files", "ca.strict_json"}
    known |= {"ca.peer", "ca.profiles", "ca.reading"}  # it reads its own certificate, and asks for the next one
    known |= {"ca.keys", "ca.passphrase"}  # how a passphrase protects a key, and where one comes from: a site has a key
    found = imports_of_ours("spot_client", lambda name: within(origin(name), "spot_client") or origin(name) in known)
    assert found == {}


def test_the_mirror_knows_the_clients_formats_and_version_and_nothing_else_of_it() -> None:
    found = imports_of_ours("mirror", lambda name: within(origin(name), "mirror", "ca") or is_format_or_version(name))
    assert found == {}


def test_the_mirror_knows_nothing_that_issues_certificates_or_keeps_the_keys_of_the_ca() -> None:
    # `ca.keys` is free: it says how a passphrase protects a key, keeps none, and signing keys are sealed the same way.
    issuing = [f"ca.{name}" for name in ISSUING]
    assert imports_of_ours("mirror", lambda name: not within(origin(name), *issuing)) == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_of_the_mirror_knows_another(room: str) -> None:
    others = [f"mirror.{other}" for other in ROOMS if other != room]
    assert imports_of_ours(f"mirror.{room}", lambda name: not within(origin(name), *others)) == {}


def test_only_the_command_and_the_server_of_the_mirror_join_its_rooms() -> None:
    inside = {f"mirror.{room}": set(modules_in(f"mirror.{room}")) for room in ROOMS}
    joining = {room: importers(room) - modules - set(modules_in(*COMPOSING)) for room, modules in inside.items()}
    assert {room: modules for room, modules in joining.items() if modules} == {}


@pytest.mark.parametrize(
    ("room", "later"),
    [
        ("decide", ("fetch", "install", "update", "compose", "cli")),
        ("fetch", ("decide", "install", "update", "compose", "cli")),
        ("install", ("update", "compose", "cli")),
        ("update", ("compose", "cli")),
    ],
)
def test_no_step_of_the_client_knows_a_later_one(room: str, later: tuple[str, ...]) -> None:
    ahead = [f"spot_client.{step}" for step in later]
    assert imports_of_ours(f"spot_client.{room}", lambda name: not within(origin(name), *ahead)) == {}


def test_only_commands_know_commands_and_composition() -> None:
    assert importers("ca.cli") <= {"ca.start", *modules_in("ca.cli")}
    assert importers(*COMPOSING) <= {"mirror.start", *modules_in(*COMPOSING)}
    assert importers("ca.start", "mirror.start") == set()
    assert importers("spot_client.cli", "spot_client.compose") <= set(modules_in("spot_client.cli"))


def test_signed_metadata_is_verified_in_one_module_of_the_client_and_signed_in_one_room_of_the_mirror() -> None:
    client, asking = "spot_client.fetch.catalogue", "spot_client.fetch.asking"
    readers = {f"spot_client.fetch.{name}" for name in ("descent", "floors", "kept")}  # of what was verified before
    reader, signers = "mirror.catalogue", set(modules_in("mirror.signing"))
    assert importers("tuf.ngclient") == {client, asking}  # the second only hands over bytes
    assert {name for name in trees() if "tuf.ngclient:Updater" in imports(name)} == {client}
    assert importers("tuf") <= {client, asking, *readers, reader, *signers}
    assert importers("securesystemslib") <= signers
    assert not {module for module in (client, asking, reader) if "sign" in called(module)}


def test_one_module_builds_tls_contexts_of_python_and_one_those_of_openssl() -> None:
    assert {module for module in trees() if called(module) & TLS_BUILDING} == {"ca.tls"}
    assert importers("OpenSSL") == {"mirror.tls", "mirror.content.bios", "mirror.content.tunnel"}
    assert {module for module in trees() if called(module) & OPENSSL_BUILDING} == {"mirror.tls"}
    assert not [name for module in importers("OpenSSL") for name in called(module) if name.endswith("callback")]
