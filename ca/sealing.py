"""A stream of bytes, encrypted with a passphrase: nothing of it is handed on before it was verified.

    spot-ca-backup: 1 scrypt n=131072 r=8 p=1 salt=HEX\\n
    blocks, each of 1 MiB of content (the last may be shorter) and a tag of 16 bytes

The passphrase and the salt, which is fresh for each stream, give the key (`ca.keys.stretch`). Each block is AES-256-GCM
(NIST SP 800-38D) with the first line as associated data, and a nonce of the block's number and whether it is the last:
so blocks can be neither swapped nor left out, and a stream that was cut short is noticed (Hoang et al., "Online
Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", the construction STREAM).
"""

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ca.errors import PassphraseError, VaultError
from ca.keys import STRETCHING, stretch

_BLOCK: Final = 2**20
_TAG: Final = 16
_MAX_BLOCKS: Final = 16 * 2**10  # 16 GiB: a ledger of some ten million certificates
_KIND: Final = b"spot-ca-backup: "
_HEADER = re.compile(re.escape(_KIND + f"1 {STRETCHING} salt=".encode()) + rb"([0-9a-f]{32})\n")
_MAX_HEADER: Final = 200  # bytes


def seal(content: Iterable[bytes], passphrase: str, salt: bytes) -> Iterator[bytes]:
    """Encrypt a stream.

    Args:
        content: in parts of any size.
        salt: `ca.keys.SALT_BYTES` random bytes that no other stream has.

    Raises:
        VaultError: reason `too-large`, for more than 16 GiB.
    """
    header = _KIND + f"1 {STRETCHING} salt={salt.hex()}\n".encode()
    cipher = _cipher(passphrase, salt)
    yield header
    blocks = _blocks(content)
    block = next(blocks)
    for number in range(_MAX_BLOCKS):
        following = next(blocks, None)
        yield cipher.encrypt(_nonce(number, is_last=following is None), block, header)
        if following is None:
            return
        block = following
    raise VaultError("too-large", "There is more to be backed up than one file may hold.")


def unseal(file: BinaryIO, passphrase: str) -> Iterator[bytes]:
    """Decrypt a stream, block by block. Only when it has come to its end is it known to be whole.

    Raises:
        VaultError: reason `not-a-backup`, `too-new`, or `damaged-backup`.
        PassphraseError: reason `wrong-passphrase`; where the first block is damaged, it looks the same.
    """
    header = file.readline(_MAX_HEADER)
    match = _HEADER.fullmatch(header)
    if match is None:
        if header.startswith(_KIND) and not header.startswith(_KIND + b"1 "):
            raise VaultError("too-new", "The backup is of a newer spot-ca: use that one.")
        raise VaultError("not-a-backup", "This is no backup that spot-ca made: name another file.")
    cipher = _cipher(passphrase, bytes.fromhex(match[1].decode()))
    sealed = file.read(_BLOCK + _TAG)
    for number in range(_MAX_BLOCKS):
        following = file.read(_BLOCK + _TAG)
        try:
            yield cipher.decrypt(_nonce(number, is_last=not following), sealed, header)
        except InvalidTag as error:
            if number == 0:
                raise PassphraseError(
                    "wrong-passphrase", "The passphrase is wrong (or the backup is damaged)."
                ) from error
            raise VaultError("damaged-backup", "The backup is damaged, or cut short: use another one.") from error
        if not following:
            return
        sealed = following
    raise VaultError("damaged-backup", "The backup is larger than any may be: use another one.")


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    return AESGCM(bytes.fromhex(stretch(passphrase, salt).decode()))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11) + bytes([is_last])


def _blocks(content: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size, but for the last, which may be shorter or, of nothing, empty."""
    held = bytearray()
    for part in content:
        held += part
        while len(held) > _BLOCK:
            yield bytes(held[:_BLOCK])
            del held[:_BLOCK]
    yield bytes(held)
