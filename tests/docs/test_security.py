"""SECURITY.md says what is so: modes on the disk, cryptography, commands and files that it names."""

import re
import stat
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Final

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from ca import keys, passphrase, vault
from ca.issue import CRL_LIFETIME
from ca.profiles import KeyType
from ca.tls import CIPHERS, SUITES, check_cipher
from mirror.config import Content
from mirror.content.audit import Line
from spot_client.config import Settings
from spot_client.wire import installation
from tests.e2e.world import BIN, World

ROOT: Final = Path(__file__).parents[2]
TEXT: Final = (ROOT / "SECURITY.md").read_text()
AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")  # 2.16.840.1.101.3.4.1.42, DER
PBES2: Final = bytes.fromhex("06092a864886f70d01050d")  # 1.2.840.113549.1.5.13


def rows(marker: str) -> dict[str, tuple[str, ...]]:
    """The rows of the table below a marker, by their first cell."""
    found = re.search(rf"^<!-- {marker} -->\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()[2:]]
    return {first: tuple(rest) for first, *rest in cells}


def places(world: World) -> dict[str, Path]:
    folder = world.folder
    return {
        "CA": folder / "ca",
        "KEYS": folder / "keys",
        "DATA": folder / "data",
        "ROOT": folder / "roots" / "acme-new",
    }


def paths(world: World, named: str) -> list[Path]:
    first, _, rest = named.strip("`").partition("/")
    return list(places(world)[first].glob(rest) if rest else world.folder.glob(first))


@pytest.mark.slow
def test_secrets_lie_where_the_page_says_with_the_modes_that_it_says(world: World) -> None:
    world.succeed("spot-ca", "issue", "server", "another", "--dns", "localhost", "--key-type", "ecdsa-p256")
    world.spot(places(world)["ROOT"], "check")
    for named, (mode, at_rest) in rows("secrets").items():
        found = paths(world, named)
        assert found, named
        for path in found:
            assert f"{stat.S_IMODE(path.stat().st_mode):04o}" == mode, path
            content = path.read_bytes()
            assert ("sealed" in at_rest) == (b"ENCRYPTED PRIVATE KEY" in content), path
            assert ("**in clear**" in at_rest) == (b"-----BEGIN PRIVATE KEY" in content), path
    for folder in (*list(places(world).values())[:3], places(world)["ROOT"] / ".spot"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder


def test_no_other_private_key_lies_about(world: World) -> None:
    told = {path for named in rows("secrets") for path in paths(world, named)}
    files = [path for folder in places(world).values() for path in folder.rglob("*") if path.is_file()]
    assert {path for path in files if b"PRIVATE KEY-----" in path.read_bytes()} <= told


def test_keys_are_sealed_with_the_cryptography_that_the_page_names(world: World) -> None:
    told = rows("cryptography")
    n, r, p, salt = re.findall(r"[0-9]+", told["passphrase to key"][0])
    assert f"scrypt n={n} r={r} p={p}" == keys.STRETCHING
    assert int(salt) == keys.SALT_BYTES
    assert told["private keys at rest"][0].startswith("PKCS#8, PBES2, AES-256-CBC")
    for path in (*(world.folder / "keys").glob("*.pem"), *(world.folder / "ca").glob("*.key")):
        head, _, pem = path.read_text().partition("\n")
        assert keys.STRETCHING in head
        der = b64decode("".join(line for line in pem.splitlines() if not line.startswith("-")))
        assert PBES2 in der
        assert AES_256_CBC in der


def test_certificates_have_the_keys_signatures_and_numbers_that_the_page_names(world: World) -> None:
    told = rows("cryptography")
    made = told["keys of certificates"][0].partition(";")[0]
    assert made == "RSA 2048 (default), RSA 3072 or ECDSA P-256"
    assert {kind.value for kind in KeyType} == {"rsa2048", "rsa3072", "ecdsa-p256"}
    for path in (world.folder / "ca").glob("*.crt"):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
        assert certificate.serial_number.bit_length() <= 128
    assert "randbits(128)" in Path(vault.__file__).read_text()
    assert told["installation ids"] == (f"{installation.ID_BYTES * 8} random bits",)


def test_tls_is_as_the_page_says() -> None:
    told = rows("cryptography")
    assert "1.3; 1.2 only if `tls12 = true`" in told["TLS, SPOT"]
    assert Settings().tls12 is False
    defaults = {field.name: field.default for field in msgspec.structs.fields(Content)}
    assert (defaults["min_tls"], defaults["log_addresses"], defaults["crl_grace_days"]) == ("1.2", False, 7)
    assert CIPHERS.startswith("ECDHE+AESGCM")
    assert all("_AES_" in suite and "_GCM_" in suite for suite in SUITES.split(":"))
    check_cipher(("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128))
    with pytest.raises(Exception, match="AES-GCM"):
        check_cipher(("TLS_CHACHA20_POLY1305_SHA256", "TLSv1.3", 256))
    assert f"at least {passphrase.MIN_LENGTH} characters" in TEXT
    assert f"lapses after {CRL_LIFETIME.days} days" in TEXT


def test_audit_lines_hold_what_the_page_lists_and_nothing_else() -> None:
    listed = {
        *("time", "request", "customer", "installation", "role", "serial", "route", "product", "component", "version"),
        *("platform", "status", "reason", "bytes", "ms", "address"),
    }
    unlisted = {"method", "name", "file", "detail"}  # parts of "who" and "route"; why, for the vendor's eyes
    assert {field.name for field in msgspec.structs.fields(Line)} == listed | unlisted


@pytest.mark.slow
def test_the_commands_that_the_page_names_exist() -> None:
    named = set(re.findall(r"\b(spot-ca|spot-mirror|spot) ((?:[a-z]+ )?[a-z-]+)\b", _code()))
    assert len(named) > 10
    for program, words in sorted(named):
        command = [str(BIN / program), *_only_commands(words), "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)


def _code() -> str:
    """What stands as code on the page, options left out."""
    pieces = [*re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL), *re.findall(r"`([^`\n]+)`", TEXT)]
    return "\n".join(re.sub(r" --[a-z-]+( [A-Z]+)?|#.*", "", piece) for piece in pieces)


def _only_commands(words: str) -> list[str]:
    first, _, second = words.partition(" ")
    return [first, second] if second and first in {"customer", "issue", "licence"} else [first]


def test_the_files_that_the_page_names_exist() -> None:
    named = set(re.findall(r"`((?:ca|mirror|spot_client|tests)/[a-z_/]+(?:\.py)?)`", TEXT))
    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []
