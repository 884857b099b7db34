"""Whether a file is machine code of one system: told by how it begins. Pure."""

from typing import Final

_MACH_O: Final = frozenset({b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"})
_UNIVERSAL: Final = b"\xca\xfe\xba\xbe"  # Mach-O for several processors; and a class of Java
_OLDEST_JAVA: Final = 45  # the number that a class has where a universal file has its count of processors


def is_native(head: bytes) -> bool:
    """Whether a file that begins with `head` (64 KiB of it, or all) is an ELF, Mach-O or PE file."""
    if head.startswith(b"\x7fELF") or head[:4] in _MACH_O:
        return True
    if head.startswith(_UNIVERSAL):
        return int.from_bytes(head[4:8], "big") < _OLDEST_JAVA
    start = int.from_bytes(head[0x3C:0x40], "little") if head.startswith(b"MZ") else 0
    return start > 0 and head[start : start + 4] == b"PE\0\0"
